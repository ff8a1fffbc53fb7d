// A row of the keys that a phone's keyboard lacks.

const keys = [
  ["Esc", "\x1b"], ["Tab", "\t"], ["Ctrl"], ["←", "\x1b[D"], ["↓", "\x1b[B"], ["↑", "\x1b[A"], ["→", "\x1b[C"],
];

let control = false;

// makeKeys fills the row where the finger is the pointer. screen() is the
// terminal shown.
export function makeKeys(row, screen) {
  row.hidden = !matchMedia("(pointer: coarse)").matches;
  for (const [name, sequence] of keys) {
    const button = Object.assign(document.createElement("button"), { textContent: name, type: "button" });
    // The terminal keeps the focus, and the phone its keyboard.
    button.addEventListener("pointerdown", (event) => event.preventDefault());
    button.addEventListener("click", () => {
      if (sequence) return press(screen(), sequence);
      control = !control;
      button.setAttribute("aria-pressed", control);
    });
    row.append(button);
  }
  return {
    // withControl turns the next letter typed into its control character,
    // once, after Ctrl was touched.
    withControl(data) {
      if (!control || !/^[a-z@[\\\]^_]$/i.test(data)) return data;
      control = false;
      row.querySelector("[aria-pressed=true]")?.setAttribute("aria-pressed", false);
      return String.fromCharCode(data.toUpperCase().charCodeAt(0) & 0x1f);
    },
  };
}

function press(screen, sequence) {
  if (!screen) return;
  const cursorKeys = screen.terminal.modes.applicationCursorKeysMode;
  screen.input(cursorKeys ? sequence.replace("[", "O") : sequence);
}
