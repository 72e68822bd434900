export default function part(): void {}
