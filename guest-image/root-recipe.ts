/** What an image's root is made of, and how: the images differ in it, and in nothing else. */
import type { ImageManifest } from "../src/vmm/image-manifest.ts";

export interface RootRecipe {
	/** Hex: of all that the root depends on. */
	readonly hash: string;
	/** What the manifest says of it. */
	readonly facts: Pick<ImageManifest, "windows" | "suite" | "packages">;
	/** Writes the root to `output`, step by step; `work` is a directory for it, which the caller removes. */
	build(work: string, output: string): Promise<void>;
}
