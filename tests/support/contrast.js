// Texts of a page whose contrast with what is behind them is below 4.5, the least of WCAG 2.2 (1.4.3, level AA).
(exempt) => {
  const numbers = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const luminance = (rgb) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, at) => sum + weight * linear(rgb[at] / 255), 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement ?? one.getRootNode().host) {
      const ground = numbers(getComputedStyle(one).backgroundColor);
      if (ground.length < 4 || ground[3] > 0.9) return ground;
    }
    return [255, 255, 255];
  };
  const all = (root) => [...root.querySelectorAll("*")].flatMap((one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])]);
  const low = [];
  for (const element of all(document.body)) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest(exempt) || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const colours = [element.ownerSVGElement ? style.fill : style.color].map(numbers).concat([behind(element)]);
    const [dark, bright] = colours.map(luminance).sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 120)}`);
  }
  return low;
}
