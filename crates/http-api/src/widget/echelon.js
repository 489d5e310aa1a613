/* <echelon-tier>: shows customers their own standing. docs/guide/widget.md says how to embed, theme and translate it.

     <script src="https://API/widget.js" defer></script>
     <echelon-tier token="MEMBER_TOKEN"></echelon-tier>

   Attributes: `token`, `lang`, and `api` if the API has another address than this script. Properties: `token`, `texts`.
   Event: `echelon-token`, when there is no token or it has ended. A listener that calls preventDefault() promises to
   set a new one. */
(() => {
  'use strict';

  /* In a module, document.currentScript is null. */
  const script = document.currentScript ?? document.querySelector('script[src*="/widget.js"]');

  /* Sentences, or their forms by number (Intl.PluralRules). A language that lacks one falls back to English. */
  const texts = {
    en: {
      title: 'Your tier', none: 'No tier yet', top: 'This is the highest tier.', perks: 'Your benefits',
      valid: 'Valid through {date}.', until: 'Valid until {date}.',
      upcoming: 'If nothing more happens, {tier} follows.', lapse: 'If nothing more happens, it ends then.',
      amount_spent: 'Spend {amount} more',
      points_earned: { one: 'Earn {amount} more point', other: 'Earn {amount} more points' },
      orders_placed: { one: 'Place {amount} more order', other: 'Place {amount} more orders' },
      reach: '{do} to reach {tier}.', reach_by: '{do} by {date} to reach {tier}.',
      keep_by: '{do} by {date} to keep {tier}.', keep_year: '{do} by {date} to keep {tier} through {year}.',
      of: '{counted} of {threshold}', since: 'since {date}',
      birthday_points: { one: '{amount} point on your birthday', other: '{amount} points on your birthday' },
      points_multiplier: '{amount}× points', free_shipping: 'Free shipping', early_access: 'Early access',
      loading: 'Loading…', unknown: 'Nothing yet: it begins with your first order.',
      inactive: 'The program is paused at the moment.', expired: 'Please sign in again to see your tier.',
      later: 'Not available just now. We keep trying.', offline: 'You are offline.', retry: 'Try again',
    },
    de: {
      title: 'Ihre Stufe', none: 'Noch keine Stufe', top: 'Das ist die höchste Stufe.', perks: 'Ihre Vorteile',
      valid: 'Gültig bis einschließlich {date}.', until: 'Gültig bis {date}.',
      upcoming: 'Wenn nichts weiter geschieht, folgt {tier}.', lapse: 'Wenn nichts weiter geschieht, endet sie dann.',
      amount_spent: 'Noch {amount} Umsatz',
      points_earned: { one: 'Noch {amount} Punkt', other: 'Noch {amount} Punkte' },
      orders_placed: { one: 'Noch {amount} Bestellung', other: 'Noch {amount} Bestellungen' },
      reach: '{do}, und Sie erreichen {tier}.', reach_by: '{do} bis zum {date}, und Sie erreichen {tier}.',
      keep_by: '{do} bis zum {date}, und Sie behalten {tier}.',
      keep_year: '{do} bis zum {date}, und Sie behalten {tier} auch {year}.',
      of: '{counted} von {threshold}', since: 'seit {date}',
      birthday_points: { one: '{amount} Punkt zum Geburtstag', other: '{amount} Punkte zum Geburtstag' },
      points_multiplier: '{amount}-fache Punkte', free_shipping: 'Kostenloser Versand', early_access: 'Früher Zugang',
      loading: 'Wird geladen …', unknown: 'Noch nichts: mit der ersten Bestellung geht es los.',
      inactive: 'Das Programm ruht zurzeit.', expired: 'Bitte melden Sie sich neu an, um Ihre Stufe zu sehen.',
      later: 'Zurzeit nicht verfügbar. Wir versuchen es weiter.', offline: 'Sie sind offline.', retry: 'Noch einmal',
    },
    fr: {
      title: 'Votre niveau', none: 'Pas encore de niveau', top: 'C’est le niveau le plus élevé.', perks: 'Vos avantages',
      valid: 'Valable jusqu’au {date} inclus.', until: 'Valable jusqu’au {date}.',
      upcoming: 'Si rien ne change, {tier} suivra.', lapse: 'Si rien ne change, il prendra fin.',
      amount_spent: 'Encore {amount} d’achats',
      points_earned: { one: 'Encore {amount} point', other: 'Encore {amount} points' },
      orders_placed: { one: 'Encore {amount} commande', other: 'Encore {amount} commandes' },
      reach: '{do} pour atteindre {tier}.', reach_by: '{do} d’ici au {date} pour atteindre {tier}.',
      keep_by: '{do} d’ici au {date} pour garder {tier}.', keep_year: '{do} d’ici au {date} pour garder {tier} en {year}.',
      of: '{counted} sur {threshold}', since: 'depuis le {date}',
      birthday_points: { one: '{amount} point pour votre anniversaire', other: '{amount} points pour votre anniversaire' },
      points_multiplier: 'Points × {amount}', free_shipping: 'Livraison gratuite', early_access: 'Accès en avant-première',
      loading: 'Chargement…', unknown: 'Rien encore : tout commence avec votre première commande.',
      inactive: 'Le programme est suspendu pour le moment.', expired: 'Reconnectez-vous pour voir votre niveau.',
      later: 'Indisponible pour le moment. Nous réessayons.', offline: 'Vous êtes hors ligne.', retry: 'Réessayer',
    },
  };

  const style = new CSSStyleSheet();
  style.replaceSync(`
    :host { display: block; color-scheme: light dark; }
    :host([hidden]) { display: none; }
    section {
      color: var(--echelon-text, light-dark(#1c1b22, #f2f0f7));
      background: var(--echelon-background, light-dark(#fff, #1d1c24));
      border: 1px solid var(--echelon-border, light-dark(#dcdae3, #43414f));
      border-radius: var(--echelon-radius, 14px);
      padding: 1.25em 1.4em; font: var(--echelon-font, 1rem/1.5 system-ui, sans-serif); overflow-wrap: anywhere;
      --accent: var(--echelon-accent, light-dark(#5b3cc4, #b9a5ff));
      --muted: var(--echelon-muted, light-dark(#5d5b69, #b3b0c0));
    }
    h2, h3, p, ul { margin: 0; padding: 0; font: inherit; }
    h2 span, h3, small { font-size: .875em; color: var(--muted); display: block; }
    h2 strong, [part=goal] p { font-weight: 600; }
    h2 strong { font-size: 1.75em; line-height: 1.25; display: block; }
    [part=valid], [part=top], [part=status]:not(:empty), [part=goal], h3 { margin-block-start: .75em; }
    [part=goal] + [part=goal], h3 { margin-block-start: 1.25em; }
    [part=bar] {
      background: var(--echelon-track, light-dark(#e6e3ef, #3a3846));
      border-radius: 1em; overflow: hidden; margin-block: .5em .35em;
    }
    [part=fill] { background: var(--accent); block-size: .6em; border-radius: 1em; animation: grow .7s ease-out; }
    @keyframes grow { from { inline-size: 0; } }
    @media (prefers-reduced-motion: reduce) { [part=fill] { animation: none; } }
    @media (forced-colors: active) {
      [part=bar] { border: 1px solid; }
      [part=fill] { forced-color-adjust: none; background: Highlight; }
    }
    li { list-style: none; padding-inline-start: 1.5em; position: relative; margin-block-start: .3em; }
    li::before { content: '✓' / ''; position: absolute; inset-inline-start: 0; color: var(--accent); font-weight: 700; }
    button {
      font: inherit; color: var(--accent); background: none; border: 1px solid; border-radius: .5em;
      padding: .4em 1em; margin-block-start: .75em; cursor: pointer;
    }
    button:focus-visible { outline: 3px solid; outline-offset: 2px; }`);

  /* Texts from shops and merchants are inserted as text only, never as markup. */
  const make = (tag, part, ...children) => {
    const node = document.createElement(tag);
    if (part) node.part = part;
    node.append(...children);
    return node;
  };

  /* Each value keeps its own text direction, whatever the direction of the sentence. */
  const fill = (sentence, values) => {
    const piece = (text, at) => (at % 2 ? make('bdi', '', ...[values[text] ?? text].flat()) : text);
    return sentence.split(/\{(\w+)\}/).map(piece);
  };

  const language = (wanted, known) => {
    for (const tag of [...wanted, 'en']) {
      try {
        const locale = new Intl.Locale(tag);
        const name = [locale.baseName, locale.language].find(name => name in known);
        if (name) return [locale.baseName, name];
      } catch { /* not a language: the next one */ }
    }
  };

  class EchelonTier extends HTMLElement {
    static observedAttributes = ['token', 'lang', 'api'];
    static texts = texts;
    #token; #texts; #standing; #etag; #flight; #timer; #until; #said = ''; #failures = 0; #refusals = 0;
    #body = make('div', 'body');
    #status = make('p', 'status');
    #retry = make('button', 'retry');
    #section = make('section', 'card', this.#body, this.#status, this.#retry);

    constructor() {
      super();
      const shadow = this.attachShadow({ mode: 'open' });
      shadow.adoptedStyleSheets = [style];
      shadow.append(this.#section);
      this.#section.setAttribute('aria-labelledby', 'title');
      // Always present, because screen readers announce changes only in an existing element.
      this.#status.setAttribute('role', 'status');
      this.#retry.type = 'button';
      this.#retry.onclick = () => this.#load();
    }

    get token() { return this.#token; }
    set token(token) {
      // The new token may be another member's, who must not see the present standing.
      this.#token = token;
      this.#standing = this.#etag = undefined;
      this.#load();
    }

    get texts() { return this.#texts; }
    set texts(texts) {
      this.#texts = texts;
      this.#render();
    }

    connectedCallback() {
      // These properties were set before this script was loaded.
      for (const name of ['token', 'texts'].filter(name => Object.hasOwn(this, name))) {
        const value = this[name];
        delete this[name];
        this[name] = value;
      }
      this.#until = new AbortController();
      const { signal } = this.#until;
      document.addEventListener('visibilitychange', () => document.hidden || this.#load(), { signal });
      addEventListener('online', () => this.#load(), { signal });
      addEventListener('offline', () => this.#load(), { signal });
      this.#load();
    }

    disconnectedCallback() {
      this.#until.abort();
      this.#until = undefined;
      this.#flight?.abort();
      clearTimeout(this.#timer);
    }

    attributeChangedCallback(name, _, value) {
      if (name === 'token') this.token = value;
      else if (name === 'lang') this.#render();
      else this.#load();
    }

    async #load() {
      this.#flight?.abort();
      clearTimeout(this.#timer);
      if (!this.#until) return;
      if (!this.#token) return this.#ask();
      if (!this.#standing && !this.#body.querySelector('[part=tier]')) this.#say('loading');
      const { signal } = (this.#flight = new AbortController());
      this.#section.ariaBusy = 'true';
      const api = this.getAttribute('api')?.replace(/\/?$/, '/') ?? new URL('.', script?.src ?? location).href;
      const headers = { authorization: `Bearer ${this.#token}` };
      if (this.#etag) headers['if-none-match'] = this.#etag;
      let status;
      try {
        // No answer stays in the cache of a shared computer.
        const answer = await fetch(`${api}v1/me`, { headers, signal, cache: 'no-store', credentials: 'omit' });
        ({ status } = answer);
        if (status === 200) {
          this.#standing = await answer.json();
          this.#etag = answer.headers.get('etag');
        } else if (![304, 401, 403, 404].includes(status)) return this.#later(Number(answer.headers.get('retry-after')));
      } catch {
        return signal.aborted || this.#later();
      }
      if (status === 401 || status === 403) return this.#ask();
      if (status === 404) this.#standing = this.#etag = undefined;
      this.#failures = this.#refusals = 0;
      this.#say(status === 404 ? 'unknown' : this.#standing.active ? '' : 'inactive', status !== 304);
    }

    /* Asks the page for a token, at most three times in a row if its tokens are refused. */
    #ask() {
      const event = new CustomEvent('echelon-token', { bubbles: true, composed: true, cancelable: true });
      const before = this.#token;
      const isComing = this.#refusals++ < 3 && !this.dispatchEvent(event);
      if (this.#token !== before) return;
      if (!isComing) this.#standing = this.#etag = undefined;
      this.#say(isComing ? (this.#standing ? '' : 'loading') : 'expired', true);
    }

    /* Tries again after a backoff with jitter, so that browsers do not all return at once. */
    #later(seconds) {
      const wait = Math.min(seconds || 5 * 2 ** this.#failures++, 300) * (1 + Math.random() / 4);
      this.#timer = setTimeout(() => document.hidden || this.#load(), wait * 1000);
      this.#say(navigator.onLine ? 'later' : 'offline', true);
    }

    #say(message, isNew) {
      this.#said = message;
      this.#render(isNew);
    }

    #render(isNew = true) {
      const wanted = [this.closest('[lang]')?.lang, document.documentElement.lang, ...navigator.languages];
      const [locale, name] = language(wanted, texts);
      const words = { ...texts.en, ...texts[name], ...this.#texts };
      this.#section.lang = locale;
      this.#section.dir = /^(ar|dv|fa|he|ps|ug|ur|yi)\b/.test(locale) ? 'rtl' : 'ltr';
      this.#section.ariaBusy = String(this.#said === 'loading');
      this.#status.textContent = words[this.#said] ?? '';
      this.#retry.textContent = words.retry;
      this.#retry.hidden = !['later', 'offline'].includes(this.#said);
      if (isNew) this.#body.replaceChildren(...view(this.#standing, words, locale));
    }
  }

  /* The elements that show a standing. */
  function view(standing, words, locale) {
    const title = make('h2', 'title', make('span', 'label', words.title));
    title.id = 'title';
    if (!standing?.active) return [title];
    const { tier, valid_until, valid_through, upcoming, progress, requalify, perks, currency, timezone } = standing;
    const plural = new Intl.PluralRules(locale);
    const say = (key, values = {}, number) => {
      const { [key]: text } = words;
      return fill(typeof text === 'string' ? text : text[plural.select(number)] ?? text.other, values);
    };
    // A string is formatted to the last digit; a number would lose precision.
    const number = (text, options) => new Intl.NumberFormat(locale, { ...digits(text), ...options }).format(text);
    const amount = text => number(text, progress.metric === 'amount_spent' ? { style: 'currency', currency } : {});
    // Days are already in the program's time zone; the browser's must not shift them.
    const date = (at, timeZone, style) => new Intl.DateTimeFormat(locale, { timeZone, ...style }).format(at);
    const day = (text, style = { dateStyle: 'long' }) => date(new Date(text), 'UTC', style);
    const instant = (millis, timeStyle) => date(millis, timezone, { dateStyle: 'long', timeStyle });

    const goal = (key, { tier, threshold, remaining, counted }, from, by, year) => {
      const to_do = say(progress.metric, { amount: amount(remaining) }, Number(remaining));
      const text = make('p', '', ...say(key, { do: to_do, tier: tier.name, date: by, year }));
      const so_far = make('span', '', ...say('of', { counted: amount(counted), threshold: amount(threshold) }));
      const bar = make('div', 'bar', make('div', 'fill'));
      const [most, now] = [Number(threshold), Math.min(Math.max(Number(counted), 0), Number(threshold))];
      bar.firstChild.style.inlineSize = `${(100 * now) / most}%`;
      const { textContent: ariaValueText } = so_far;
      const numbers = { ariaValueMin: 0, ariaValueMax: most, ariaValueNow: now };
      Object.assign(bar, { role: 'progressbar', ariaLabel: tier.name, ariaValueText, ...numbers });
      const caption = make('small', 'so-far', so_far);
      if (from) caption.append(' ', ...say('since', { date: instant(Date.parse(from)) }));
      return make('div', 'goal', text, bar, caption);
    };

    const seen = [title];
    title.append(make('strong', tier ? 'tier' : 'tier none', tier ? make('bdi', '', tier.name) : words.none));
    if (valid_until) {
      // The last day, if the tier ends with a full day.
      const [key, end] = valid_through ? ['valid', day(valid_through)] : ['until', instant(Date.parse(valid_until), 'short')];
      const after = say(upcoming ? 'upcoming' : 'lapse', { tier: upcoming?.name });
      seen.push(make('p', 'valid', ...say(key, { date: end }), ' ', ...after));
    }
    const next = progress?.next;
    if (tier && progress && !next) seen.push(make('p', 'top', words.top));
    // A member whom an assignment keeps below the earned tier has nothing left to do for it.
    if (Number(next?.remaining)) {
      const by = progress.until && instant(Date.parse(progress.until) - 1);
      seen.push(goal(by ? 'reach_by' : 'reach', { ...next, counted: progress.counted }, progress.from, by));
    }
    // It is about the earned tier, which may differ from the tier held and end at another time.
    if (Number(requalify?.remaining) && requalify.tier?.id === tier?.id && requalify.by === valid_until) {
      const { period } = progress;
      const year = period === 'calendar_year' && day(`${Number(requalify.through.slice(0, 4)) + 1}-01-01`, { year: 'numeric' });
      // The movements that count then are not the ones that count today.
      const from = period === 'rolling' ? null : progress.from;
      seen.push(goal(year ? 'keep_year' : 'keep_by', requalify, from, day(requalify.through), year));
    }
    const told = perks.map(({ type, points, factor, text }) => {
      if (type === 'custom') return [make('bdi', '', text)];
      return words[type] ? say(type, { amount: number(String(points ?? factor ?? 0)) }, points) : [];
    });
    const items = told.filter(text => text.length).map(text => make('li', 'perk', ...text));
    if (items.length) seen.push(make('h3', 'perks-title', words.perks), make('ul', 'perks', ...items));
    return seen;
  }

  function digits(text) {
    const fraction = text.split('.')[1]?.length ?? 0;
    return { minimumFractionDigits: fraction, maximumFractionDigits: fraction };
  }

  window.EchelonTier = EchelonTier;
  if (!customElements.get('echelon-tier')) customElements.define('echelon-tier', EchelonTier);
})();
