import type { Language } from "../../src/numbering/language.ts";
import { HIGHEST_SPOKEN_NUMBER, type SPOKEN_PROMPTS, type SpokenPromptName } from "../../src/dialin/spoken-prompts.ts";

type Fixed = (typeof SPOKEN_PROMPTS)[number];

/** What the prompts say. Short: a caller waits for the end of every one of them. */
const TEXTS: Readonly<Record<Language, Readonly<Record<Fixed, string>>>> = {
  en: {
    greeting: "Welcome to the conference.",
    "choose-language": "For English, press 1.",
    "ask-room": "Please enter the room number, followed by the hash key.",
    "ask-pin": "Please enter the PIN, followed by the hash key.",
    "wrong-pin": "This room number or PIN is not right. To change the room number, press star.",
    "one-moment": "One moment, please.",
    goodbye: "Goodbye.",
    "nobody-here": "Nobody is here yet. The others have been told. Please hold the line.",
    "waiting-for-moderator": "Please wait for a moderator to let you in.",
    "not-admitted": "You cannot join this call.",
    "conference-unavailable": "This call cannot be reached at the moment. Please try again later.",
    "conference-ended": "The call has ended.",
    "left-alone": "The others have left.",
    muted: "You are muted.",
    unmuted: "You are no longer muted.",
    "unmute-requested": "You are asked to speak. To unmute, press star 6.",
    "hand-raised": "Hand raised.",
    "hand-lowered": "Hand lowered.",
    "count-one": "You are the only one in the call.",
    "count-before": "There are",
    "count-after": "people in the call.",
    "count-many": "There are more than thirty people in the call.",
    help: "Star 6: mute. Star 4: quieter. Star 5: louder. Star 9: raise your hand. Star 0: number of people in the call.",
    "invited-press-1": "You are invited to a conference. To join, press 1.",
    "claim-code": "The code for your chat is:",
  },
  fr: {
    greeting: "Bienvenue dans la conférence.",
    "choose-language": "Pour le français, tapez 2.",
    "ask-room": "Veuillez composer le numéro de la salle, puis la touche dièse.",
    "ask-pin": "Veuillez composer le code secret, puis la touche dièse.",
    "wrong-pin": "Ce numéro de salle ou ce code n'est pas correct. Pour changer de salle, tapez étoile.",
    "one-moment": "Un instant, s'il vous plaît.",
    goodbye: "Au revoir.",
    "nobody-here": "Il n'y a encore personne. Les autres sont prévenus. Veuillez patienter.",
    "waiting-for-moderator": "Veuillez patienter, un modérateur va vous faire entrer.",
    "not-admitted": "Vous ne pouvez pas entrer dans cette conférence.",
    "conference-unavailable": "Cette conférence n'est pas joignable pour le moment. Veuillez rappeler plus tard.",
    "conference-ended": "La conférence est terminée.",
    "left-alone": "Les autres sont partis.",
    muted: "Votre micro est coupé.",
    unmuted: "Votre micro est ouvert.",
    "unmute-requested": "On vous demande de parler. Pour ouvrir votre micro, tapez étoile 6.",
    "hand-raised": "Main levée.",
    "hand-lowered": "Main baissée.",
    "count-one": "Vous êtes seul dans la conférence.",
    "count-before": "Il y a",
    "count-after": "personnes dans la conférence.",
    "count-many": "Il y a plus de trente personnes dans la conférence.",
    help: "Étoile 6 : micro. 4 : moins fort. 5 : plus fort. 9 : lever la main. 0 : nombre de personnes.",
    "invited-press-1": "Vous êtes invité à une conférence. Pour entrer, tapez 1.",
    "claim-code": "Le code pour votre messagerie est :",
  },
  de: {
    greeting: "Willkommen in der Konferenz.",
    "choose-language": "Für Deutsch drücken Sie die 3.",
    "ask-room": "Bitte geben Sie die Raumnummer ein, und danach die Rautetaste.",
    "ask-pin": "Bitte geben Sie die Geheimzahl ein, und danach die Rautetaste.",
    "wrong-pin":
      "Diese Raumnummer oder Geheimzahl ist nicht richtig. Um die Raumnummer zu ändern, drücken Sie die Sterntaste.",
    "one-moment": "Einen Moment, bitte.",
    goodbye: "Auf Wiederhören.",
    "nobody-here": "Es ist noch niemand da. Die anderen wissen Bescheid. Bitte bleiben Sie am Apparat.",
    "waiting-for-moderator": "Bitte warten Sie, bis ein Moderator Sie einlässt.",
    "not-admitted": "Sie können an dieser Konferenz nicht teilnehmen.",
    "conference-unavailable":
      "Diese Konferenz ist im Moment nicht erreichbar. Bitte versuchen Sie es später noch einmal.",
    "conference-ended": "Die Konferenz ist beendet.",
    "left-alone": "Die anderen sind gegangen.",
    muted: "Sie sind stummgeschaltet.",
    unmuted: "Man hört Sie wieder.",
    "unmute-requested": "Sie werden gebeten zu sprechen. Drücken Sie Stern 6.",
    "hand-raised": "Hand gehoben.",
    "hand-lowered": "Hand gesenkt.",
    "count-one": "Sie sind allein in der Konferenz.",
    "count-before": "Es sind",
    "count-after": "Personen in der Konferenz.",
    "count-many": "Es sind mehr als dreißig Personen in der Konferenz.",
    help: "Stern 6: stumm. Stern 4: leiser. Stern 5: lauter. Stern 9: Hand heben. Stern 0: Zahl der Personen.",
    "invited-press-1": "Sie sind zu einer Konferenz eingeladen. Um teilzunehmen, drücken Sie die 1.",
    "claim-code": "Der Code für Ihren Chat lautet:",
  },
};

export interface PromptText {
  readonly language: Language;
  readonly name: SpokenPromptName;
  readonly text: string;
}

/** Every prompt of every language; the voice reads numbers by itself. */
export const promptTexts = (): readonly PromptText[] =>
  Object.entries(TEXTS).flatMap(([key, texts]) => {
    const language = key as Language;
    const fixed = Object.entries(texts).map(([name, text]) => ({ language, name: name as Fixed, text }));
    const numbers = Array.from({ length: HIGHEST_SPOKEN_NUMBER - 1 }, (_, index) => ({
      language,
      name: `number-${index + 2}` as const,
      text: String(index + 2),
    }));
    return [...fixed, ...numbers];
  });
