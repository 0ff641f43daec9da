/** Why the light client cannot be used with an SFU, as the cause of its error: the native one may be able to. */
export class LightUnsuitable extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LightUnsuitable";
  }
}
