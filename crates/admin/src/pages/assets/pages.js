// Makes the pages of credentials more comfortable. Without it everything works, in UTC.
(() => {
  "use strict";

  const language = document.documentElement.lang || undefined;
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

  /** Writes a moment in the local time zone, with the zone. */
  function localText(moment) {
    const parts = { year: "numeric", month: "short", day: "numeric", hour: "2-digit" };
    const format = new Intl.DateTimeFormat(language, {
      ...parts, minute: "2-digit", timeZoneName: "short",
    });
    return format.format(moment);
  }

  /** Fills the place of a text. A function, as a `$` in the value has no meaning then. */
  function fill(text, name, value) {
    return text.replace(`{${name}}`, () => value);
  }

  function showLocalTimes() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      time.title = time.textContent;
      time.textContent = localText(moment);
    }
  }

  /** Writes a local day as a date field has it. */
  function dayText(date) {
    const two = (number) => String(number).padStart(2, "0");
    const year = String(date.getFullYear()).padStart(4, "0");
    return `${year}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  }

  /** Returns when the last minute of a day begins here. */
  function lastMinute(day) {
    const [year, month, date] = day.split("-").map(Number);
    const end = new Date(0);
    end.setFullYear(year, month - 1, date);
    end.setHours(23, 59, 0, 0);
    return end;
  }

  /** The chosen day ends here, not in UTC. */
  function useLocalDays() {
    for (const field of document.querySelectorAll("[data-expiry]")) {
      const day = field.querySelector("input[type=date]");
      const endsAt = field.querySelector("input[name=ends_at]");
      const hint = field.querySelector("[data-moment]");
      const tomorrow = new Date();
      tomorrow.setDate(tomorrow.getDate() + 1);
      day.min = dayText(tomorrow);
      const update = () => {
        const end = day.value && lastMinute(day.value);
        endsAt.value = end ? String(end.getTime()) : "";
        hint.textContent = end
          ? fill(hint.dataset.moment, "time", localText(end))
          : fill(hint.dataset.zone, "zone", zone);
      };
      day.addEventListener("input", update);
      update();
    }
  }

  /** Puts the focus where the URL says: on the row of what was changed. */
  function focusTarget() {
    let id;
    try {
      id = decodeURIComponent(location.hash.slice(1));
    } catch {
      return;
    }
    const target = id && document.getElementById(id);
    if (target) target.focus();
  }

  /** A menu closes when something else is clicked, and with Escape. */
  function closeMenus() {
    const open = () => document.querySelector(".credentials-menu[open]");
    addEventListener("click", (event) => {
      const menu = open();
      if (menu && !menu.contains(event.target)) menu.open = false;
    });
    addEventListener("keydown", (event) => {
      const menu = open();
      if (!menu || event.key !== "Escape") return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }

  /**
   * A form is sent once, although its button is pressed twice: the answer to the second would take
   * the place of the first, which alone has the secret. Who waits for longer may try again.
   */
  function sendOnce() {
    for (const form of document.querySelectorAll("form[method=post]")) {
      let sentAt = -Infinity;
      form.addEventListener("submit", (event) => {
        if (event.timeStamp - sentAt < 10_000) event.preventDefault();
        else sentAt = event.timeStamp;
      });
      addEventListener("pageshow", () => { sentAt = -Infinity; });
    }
  }

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  /** Guards a new secret: it can be copied, and is not lost by accident. */
  function guardSecret() {
    const dialog = document.getElementById("secret-dialog");
    if (!dialog) return;
    const [secret, copy, status, done, question, stay, leave] = [
      "secret", "copy", "copy-status", "done", "question", "stay", "leave",
    ].map((id) => document.getElementById(id));
    const example = document.getElementById("example");
    const text = secret.textContent;
    let isKept = false;
    let isLeaving = false;

    const goAway = () => {
      isLeaving = true;
      location.replace(done.href); // so that the history has no page with the secret
    };
    const tryToGoAway = () => {
      if (isKept || !question.hidden) return goAway();
      question.hidden = false;
      stay.focus();
    };

    dialog.removeAttribute("open");
    dialog.showModal();
    copy.hidden = false;

    copy.addEventListener("click", async () => {
      status.textContent = "";
      let isCopied = true;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        select(secret);
        isCopied = document.execCommand("copy");
      }
      isKept ||= isCopied;
      status.textContent = isCopied ? copy.dataset.copied : copy.dataset.failed;
    });
    dialog.addEventListener("copy", () => {
      isKept ||= getSelection().toString().includes(text);
    });
    secret.addEventListener("focus", () => select(secret));

    done.addEventListener("click", (event) => {
      event.preventDefault();
      tryToGoAway();
    });
    dialog.addEventListener("cancel", (event) => {
      if (!event.cancelable) return;
      event.preventDefault();
      tryToGoAway();
    });
    // A browser closes it in spite of that if nothing on the page was touched before.
    dialog.addEventListener("close", () => {
      if (!isKept && question.hidden) dialog.showModal();
      tryToGoAway();
    });
    // At the end of a click, or the pointer would take the focus away from the question; and only
    // if it began outside too, as a selection that is drawn with the pointer does not.
    let beganOutside = false;
    dialog.addEventListener("pointerdown", (event) => {
      beganOutside = event.target === dialog;
    });
    dialog.addEventListener("click", (event) => {
      if (beganOutside && event.target === dialog) tryToGoAway();
    });
    stay.addEventListener("click", () => {
      question.hidden = true;
      copy.focus();
    });
    leave.addEventListener("click", goAway);

    addEventListener("beforeunload", (event) => {
      if (!isKept && !isLeaving) event.preventDefault();
    });
    // Nothing stays in a page that the browser keeps for the way back.
    addEventListener("pagehide", () => {
      secret.textContent = "";
      if (example) example.textContent = "";
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) location.replace(done.href);
    });
  }

  showLocalTimes();
  useLocalDays();
  focusTarget();
  closeMenus();
  sendOnce();
  guardSecret();
})();
