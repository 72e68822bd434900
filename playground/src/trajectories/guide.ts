/** A step of the guide: what to see, and the settings that show it, as in an address. */
export interface Lesson {
  readonly title: string;
  readonly text: string;
  readonly settings: string;
}

export const LESSONS: readonly Lesson[] = [
  {
    title: "How RMSProp leaves a ravine",
    text: "Drag the start point. In a ravine, SGD bounces between the walls; RMSProp divides each slope by its recent size and walks out along the floor.",
    settings: "",
  },
  {
    title: "An average for each direction",
    text: "RMSProp averages the squared slopes of each direction. Steep means a large average and short steps; flat means the reverse.",
    settings: "adam=0&adagrad=0",
  },
  {
    title: "Steps that keep their length",
    text: "Drag RMSProp's learning rate. Its steps stay about that long, so a large rate never settles. A schedule that decays to 0 cures it.",
    settings: "adam=0&adagrad=0&sgd=0&rmsprop.rate=1",
  },
  {
    title: "A diagonal ravine",
    text: "Both axes are steep across this ravine, so RMSProp scales both alike. Dividing axis by axis helps less here.",
    settings: "surface=ravine",
  },
  {
    title: "A saddle",
    text: "The start is almost on the ridge, where slopes are tiny. RMSProp divides them by something tiny and leaves early; SGD waits.",
    settings: "surface=saddle",
  },
  {
    title: "One name, twelve algorithms",
    text: "The dialects get the same slopes and learning rate. Their defaults of ρ, the start of v and the position of ε differ.",
    settings: "race=dialects",
  },
];
