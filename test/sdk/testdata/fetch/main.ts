// Calls the Keap sandbox through openapi-fetch, with the types that openapi-typescript made of Keap's OpenAPI documents a
// moment ago: main.js v1|v2 ADDRESS KEY. It prints a line for each thing that is not as it should be, and fails when there
// is one. The compiler has checked before that what is sent and what is read of answers is in the documents.
import { Drive } from "./drive.js";
import { driveV1 } from "./v1.js";
import { driveV2 } from "./v2.js";

declare const process: { argv: string[]; exit(code: number): never };

const [version, address, key] = process.argv.slice(2);
const drive = new Drive(address, key);
await (version === "v1" ? driveV1 : driveV2)(drive);
console.log(`${version}: ${drive.calls} calls, ${drive.mistakes} mistakes`);
process.exit(drive.mistakes > 0 || drive.calls === 0 ? 1 : 0);
