// The default theme, and pages that show another page of the site in a frame: `frame` in their front matter.
import { useData, withBase } from "vitepress";
import DefaultTheme from "vitepress/theme";
import { h } from "vue";

const style = { display: "block", width: "100%", height: "calc(100vh - var(--vp-nav-height))", border: 0 };

export default {
  extends: DefaultTheme,
  Layout() {
    const { frontmatter, page } = useData();
    const { frame } = frontmatter.value;
    const show = () => h("iframe", { src: withBase(frame), title: page.value.title, allow: "clipboard-write", style });
    return h(DefaultTheme.Layout, null, frame === undefined ? {} : { "page-top": show });
  },
};
