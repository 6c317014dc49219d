/** Put in by the build from package.json. */
declare const QUBES_LITE_VERSION: string;
export const version = QUBES_LITE_VERSION;
