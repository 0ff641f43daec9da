import { GatewayError } from "../errors.ts";
import type { UserId } from "../ids.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "../numbering/phone-number.ts";
import type { Directory, Owner } from "./directory.ts";

/** A number that people have given to a user: from the control room, or the user by a claim. */
export interface Binding {
  /** Canonical. */
  readonly number: string;
  readonly user: UserId;
  /** What the user was called then. */
  readonly name?: string;
  readonly boundBy: UserId;
}

/** Bindings, kept over restarts (store/). All methods are synchronous. */
export interface BindingStore {
  get(number: string): Binding | undefined;
  of(user: UserId): readonly Binding[];
  /** In the order of their numbers. */
  all(): readonly Binding[];
  put(binding: Binding): void;
  remove(number: string): void;
}

export interface BindingsDeps {
  /** The administrator's file, which wins. */
  readonly file: Directory;
  readonly store: BindingStore;
  readonly plan: NumberPlan;
  /** The dispatch rule to which all calls to this number go. */
  readonly ruleOf: (digits: string) => string | undefined;
}

export interface Bindings {
  /** The file, and what is bound where it names nobody. */
  readonly directory: Directory;
  /** The number, if this user may have it. Throws INVALID_NUMBER, or BAD_REQUEST with who has it. */
  check(number: string, user: UserId): PhoneNumber;
  /** The same, and the user has it then. */
  bind(binding: Omit<Binding, "number"> & { readonly number: string }): PhoneNumber;
  /** Throws INVALID_NUMBER, or BAD_REQUEST when it is not bound. */
  find(number: string): Binding;
  unbind(number: string): void;
  all(): readonly Binding[];
}

const merge = ({ file, store, plan }: BindingsDeps): Directory => {
  const isFree = ({ number }: Owner): boolean => file.personOf(number) === undefined;
  const ownerOf = ({ number, user }: Binding): Owner => ({ number: parseNumber(number, plan), user });
  const boundTo = (number: PhoneNumber): Binding | undefined =>
    file.personOf(number) === undefined ? store.get(canonicalDigits(number)) : undefined;
  return {
    nameOf: (number) => file.nameOf(number) ?? boundTo(number)?.name,
    personOf: (number) => file.personOf(number) ?? boundTo(number)?.user,
    forwardOf: (number) => file.forwardOf(number),
    numbersOf: (user) => [
      ...file.numbersOf(user),
      ...store
        .of(user)
        .map(ownerOf)
        .filter(isFree)
        .map(({ number }) => number),
    ],
    owners: () => [...file.owners(), ...store.all().map(ownerOf).filter(isFree)],
  };
};

/** Bindings that the file has overtaken since: a line each for the log. */
export const findOvertaken = (file: Directory, store: BindingStore, plan: NumberPlan): readonly Binding[] =>
  store.all().filter(({ number, user }) => {
    const person = file.personOf(parseNumber(number, plan));
    return person !== undefined && person !== user;
  });

const taken = (words: string): GatewayError => new GatewayError("BAD_REQUEST", words);

export const createBindings = (deps: BindingsDeps): Bindings => {
  const { file, store, plan } = deps;

  const check = (text: string, user: UserId): PhoneNumber => {
    const number = parseNumber(text, plan);
    const digits = canonicalDigits(number);
    if (number.kind === "short") throw taken(`${digits} is nobody's number.`);
    const rule = deps.ruleOf(digits);
    if (rule !== undefined) throw taken(`Calls to ${digits} go where the dispatch rule ${rule} says.`);
    const person = file.personOf(number);
    if (person !== undefined && person !== user) throw taken(`${digits} belongs to ${person} in the directory's file.`);
    const bound = store.get(digits);
    if (bound !== undefined && bound.user !== user) {
      throw taken(`${digits} is bound to ${bound.user}: !phone unbind ${digits} takes it back.`);
    }
    return number;
  };

  const find = (text: string): Binding => {
    const digits = canonicalDigits(parseNumber(text, plan));
    const bound = store.get(digits);
    if (bound === undefined) throw new GatewayError("BAD_REQUEST", `${digits} is not bound to anybody.`);
    return bound;
  };

  return {
    directory: merge(deps),
    check,
    bind: (binding) => {
      const number = check(binding.number, binding.user);
      store.put({ ...binding, number: canonicalDigits(number) });
      return number;
    },
    find,
    unbind: (text) => store.remove(find(text).number),
    all: () => store.all(),
  };
};
