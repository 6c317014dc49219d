/** What a vm boots: an image's directory, or a wish for an image of Debian with some packages, which `qubes-lite image build` makes. */
import * as v from "valibot";
import { isJsonObject } from "./json.ts";
import { absolutePath } from "./paths.ts";

export interface ImageWish {
	/** Names of Debian packages, sorted. */
	readonly packages: readonly string[];
	/** "bookworm"; the release of the machine that builds it, if absent. */
	readonly suite?: string;
}

/** More than anybody lists by hand, and still one line of apt's. */
export const maxPackages = 200;

/** Debian's policy, 5.6.1; no name of its archive is longer than 80. */
const packageRule = 'the name of a Debian package: a small letter or digit, then those, "+", "-" and "."';
const packagePattern = /^[a-z0-9][a-z0-9+.-]{1,99}$/;
const packageName = v.pipe(v.string(packageRule), v.regex(packagePattern, packageRule));

/** Codenames ("bookworm"), and "sid" and "stable" alike: a directory of the archive's. */
const suiteRule = 'a release of Debian as its archive calls it, such as "bookworm"';
const suite = v.pipe(v.string(suiteRule), v.regex(/^[a-z][a-z-]{1,29}$/, suiteRule));

const imageRule = "an absolute path, or an object with packages";

export const imageEntries = {
	packages: v.pipe(
		v.array(packageName, "a list of names of Debian packages"),
		v.minLength(1, "at least one package: the built image is what a vm without it boots"),
		v.maxLength(maxPackages, `at most ${maxPackages} packages`),
		v.check((names) => new Set(names).size === names.length, "each package once"),
		v.transform((names): readonly string[] => [...names].sort()),
	),
	suite: v.optional(suite),
};

const wish = v.pipe(
	v.custom<object>(isJsonObject, imageRule),
	v.strictObject(imageEntries),
	v.transform(({ packages, suite }): ImageWish => ({ packages, ...(suite !== undefined && { suite }) })),
);

/** A package by its bare name is what a wish is mistaken for. */
const meantPackage = (name: string) =>
	v.pipe(
		v.string(),
		v.check(() => false, `{"packages": ${JSON.stringify([name])}}, an image with that package, or an absolute path`),
	);

export const image = v.optional(
	v.lazy((value: unknown) => {
		if (typeof value !== "string") return wish;
		return packagePattern.test(value) ? meantPackage(value) : absolutePath;
	}),
);
