// Contrast of texts against what they stand on, as WCAG 2 computes it: [{text, ratio, where}] of those below
// `least`. Only what is visible, and only of plain grounds.
export function contrasts(page, least = 4.5) {
  return page.evaluate((limit) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], [R, G, B]) =>
      [r, g, b].map((x, i) => x * a + [R, G, B][i] * (1 - a));
    const groundOf = (element) => {
      const layers = [];
      for (let at = element; at !== null; at = at.parentElement) {
        const color = rgba(getComputedStyle(at).backgroundColor);
        layers.push(color);
        if (color[3] === 1) break;
      }
      return layers.reverse().reduce((ground, layer) => over(layer, ground), [255, 255, 255]);
    };
    const light = (color) => {
      const [r, g, b] = color.map((x) =>
        x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = new Map();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const text = node.data.trim();
      const element = node.parentElement;
      if (text === "" || element === null || !element.checkVisibility({ checkOpacity: true }))
        continue;
      if (element.closest(":disabled, script, style") !== null) continue;
      const style = getComputedStyle(element);
      let opacity = 1;
      for (let at = element; at !== null; at = at.parentElement) {
        opacity *= Number(getComputedStyle(at).opacity);
      }
      const ground = groundOf(element);
      const [r, g, b, a] = rgba(style.color);
      const [one, other] = [light(over([r, g, b, a * opacity], ground)), light(ground)].sort(
        (x, y) => y - x,
      );
      const ratio = (one + 0.05) / (other + 0.05);
      const large =
        parseFloat(style.fontSize) >= 24 ||
        (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio >= (large ? 3 : limit)) continue;
      const where = `${element.tagName.toLowerCase()}.${element.className}`;
      if (!found.has(where)) found.set(where, { text, ratio, where });
    }
    return [...found.values()];
  }, least);
}
