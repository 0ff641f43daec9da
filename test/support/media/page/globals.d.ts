import type { PageMember } from "./api.ts";

declare global {
  interface Window {
    sfuMember: PageMember;
  }
}
