import { expect, it } from "vitest";
import { findSvgProblem } from "../../src/desktop/svg.ts";

const svg = (inner: string, before = "") =>
	Buffer.from(
		`<?xml version="1.0"?>\n${before}<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">${inner}</svg>`,
	);

it.each([
	svg('<defs><linearGradient id="a"/></defs><path fill="url(#a)" d="M0 0"/><use href="#a"/>'),
	svg('<image href="data:image/png;base64,AAAA"/>'),
	svg("", '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'),
])("takes a picture", (bytes) => {
	expect(findSvgProblem(bytes)).toBeUndefined();
});

it.each([
	[svg("<script>x</script>"), "has scripts"],
	[svg('<g onload = "x"/>'), "has scripts"],
	[svg("", '<!DOCTYPE svg [<!ENTITY a "b">]>'), "declares entities"],
	[svg("<foreignObject/>"), "holds foreign objects"],
	[svg('<image xlink:href="https://example.org/x.png"/>'), "refers to what is elsewhere"],
	[svg('<image href="file:///etc/passwd"/>'), "refers to what is elsewhere"],
	[svg('<path fill="url(https://example.org/#a)"/>'), "refers to what is elsewhere"],
	[svg("", '<?xml-stylesheet href="x.css"?>'), "has style sheets elsewhere"],
	[Buffer.from("<html/>"), "is no SVG"],
	[Buffer.from([0xff, 0xfe]), "is not UTF-8"],
])("says what is wrong with others", (bytes, problem) => {
	expect(findSvgProblem(bytes)).toBe(problem);
});
