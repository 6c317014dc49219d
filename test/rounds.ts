/** How much of the long tests runs: `npm run soak` has the full counts, `npm test` as many as it has time for. */
export const isSoak = process.env.QUBES_LITE_SOAK === "1";

export const rounds = (usual: number, full: number): number => (isSoak ? full : usual);
