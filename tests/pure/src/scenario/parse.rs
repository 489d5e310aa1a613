//! Reading the text of a file as scenarios.

use serde_json::Value;

use super::event::{self, Story};
use super::expect::{self, Expectation};
use super::form::{self, Form, Said};
use super::moment::{self, Moment};
use super::{Scenario, program};

/// Reads the scenarios of a file; `file` is its name for messages.
///
/// # Errors
/// The first line that cannot be read, as `file:line: problem`, with the sentences that are allowed there.
pub fn read(file: &str, text: &str) -> Result<Vec<Scenario>, String> {
    let mut reader = Reader { file, done: Vec::new(), open: None, now: None };
    let mut lines = lines(text).into_iter().peekable();
    while let Some(line) = lines.next() {
        let mut settings = Vec::new();
        while let Some(setting) = lines.next_if(|next| setting(next).is_some()) {
            settings.extend(self::setting(&setting));
        }
        let number = line.number;
        reader.line(line, settings).map_err(|error| format!("{file}:{number}: {error}"))?;
    }
    reader.close().map_err(|error| format!("{file}: {error}"))?;
    Ok(reader.done)
}

struct Line<'a> {
    number: usize,
    indented: bool,
    text: &'a str,
}

/// The lines with content, without comments and empty lines.
fn lines(text: &str) -> Vec<Line<'_>> {
    let numbered = text.lines().enumerate();
    let lines = numbered.map(|(index, line)| {
        // A `#` inside a word belongs to the word, as in the order number `#1001`, unless the line begins with it.
        let said = line.split(" # ").next().unwrap_or_default();
        let said = if said.trim_start().starts_with('#') { "" } else { said };
        Line { number: index + 1, indented: said.starts_with([' ', '\t']), text: said.trim() }
    });
    lines.filter(|line| !line.text.is_empty()).collect()
}

/// Reads an indented `path = value`.
fn setting(line: &Line<'_>) -> Option<(String, String)> {
    let (path, text) = line.text.split_once(" = ").filter(|(path, _)| line.indented && !path.contains(' '))?;
    Some((path.to_owned(), text.trim().to_owned()))
}

struct Reader<'a> {
    file: &'a str,
    done: Vec<Scenario>,
    open: Option<Open>,
    now: Option<Moment>,
}

/// A scenario that is being read.
struct Open {
    line: usize,
    title: String,
    source: String,
    story: Option<(Value, Story)>,
    expectations: Vec<Expectation>,
}

impl Reader<'_> {
    fn line(&mut self, line: Line<'_>, settings: Vec<(String, String)>) -> Result<(), String> {
        if let Some(title) = line.text.strip_prefix("scenario:").filter(|_| !line.indented) {
            self.close()?;
            self.now = None;
            let (title, source) = (title.trim().to_owned(), String::new());
            self.open = Some(Open { line: line.number, title, source, story: None, expectations: Vec::new() });
            return no_settings(&settings);
        }
        let Some(open) = &mut self.open else {
            return Err("a scenario begins with `scenario:` and what it shows".to_owned());
        };
        if let Some(source) = line.text.strip_prefix("source:").filter(|_| !line.indented) {
            source.trim().clone_into(&mut open.source);
            return no_settings(&settings);
        }
        if let Some(name) = line.text.strip_prefix("program:").filter(|_| !line.indented) {
            return open.program(name.trim(), settings);
        }
        let sentence = if line.indented { line.text } else { self.moment(line.text)? };
        let (Some(moment), Some(open)) = (self.now, &mut self.open) else {
            return Err("the first sentence needs a day before it, such as `2024-02-29 10:00`".to_owned());
        };
        open.sentence(line.number, moment, sentence, settings)
    }

    /// Takes the day and time from the beginning of a line, and returns the sentence after them.
    fn moment<'t>(&mut self, text: &'t str) -> Result<&'t str, String> {
        let words: Vec<_> = text.splitn(2, char::is_whitespace).collect();
        let [first, rest] = words[..] else {
            return Err(format!("`{text}` is no sentence with a day before it"));
        };
        let rest = rest.trim_start();
        let (second, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let timed = Moment::read(&format!("{first} {second}")).map(|moment| (moment, after.trim_start()));
        let Some((moment, rest)) = timed.or_else(|| Some((Moment::read(first)?, rest))) else {
            return Err(format!(
                "`{first}` is no day such as `2024-02-29`; what belongs to the line above is indented"
            ));
        };
        if self.now.is_some_and(|now| moment < now) {
            return Err("lines stand in the order of time; what arrives late says `(dated …)`".to_owned());
        }
        self.now = Some(moment);
        Ok(rest)
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let unfinished = |what: &str| Err(format!("the scenario of line {} has no {what}", open.line));
        let Some((program, story)) = open.story else { return unfinished("`program:`") };
        if open.title.is_empty() {
            return unfinished("title");
        }
        if open.source.is_empty() {
            return unfinished("`source:`: a seed page or everyday life");
        }
        if open.expectations.is_empty() {
            return unfinished("`then`");
        }
        let Open { line, title, source, expectations, .. } = open;
        let (file, Story { programs, events, .. }) = (self.file.to_owned(), story);
        self.done.push(Scenario { file, line, title, source, programs, program, events, expectations });
        Ok(())
    }
}

fn no_settings(settings: &[(String, String)]) -> Result<(), String> {
    match settings {
        [] => Ok(()),
        [(path, _), ..] => Err(format!("`{path} = …` may only follow `program:` or `the program changes`")),
    }
}

impl Open {
    fn program(&mut self, name: &str, settings: Vec<(String, String)>) -> Result<(), String> {
        if self.story.is_some() {
            return Err("a scenario has one program; it may change with `the program changes`".to_owned());
        }
        let mut first = program::load(name)?;
        for (path, text) in settings {
            program::set(&mut first, &path, &text)?;
        }
        self.story = Some((first.clone(), Story::new(name, first)?));
        Ok(())
    }

    fn sentence(
        &mut self,
        number: usize,
        moment: Moment,
        text: &str,
        settings: Vec<(String, String)>,
    ) -> Result<(), String> {
        let Some((_, story)) = &mut self.story else {
            return Err("`program:` and the name of a ready program must stand before the first sentence".to_owned());
        };
        story.at = moment.instant(story.zone);
        if let Some(expected) = text.strip_prefix("then ") {
            no_settings(&settings)?;
            let expectation = expectation(story, number, expected.trim())?;
            self.expectations.push(expectation);
            return Ok(());
        }
        let (sentence, said) = event_said(text)?;
        check_tiers(story, &said)?;
        if !sentence.form.pattern.starts_with("the program changes") {
            no_settings(&settings)?;
        }
        (story.line, story.settings) = (number, settings);
        story.tell(sentence, &said)
    }
}

fn event_said(text: &str) -> Result<(&'static event::Sentence, Said), String> {
    let (sentence, details) = form::split_details(text)?;
    let found = event::SENTENCES.iter().find_map(|known| Some((known, known.form.read(sentence)?)));
    let Some((known, mut said)) = found else {
        return Err(unknown(text, "what happens", event::SENTENCES.iter().map(|known| &known.form)));
    };
    if let Some(details) = details {
        known.form.read_details(&mut said, details, &event::COMMON_DETAILS)?;
    }
    Ok((known, said))
}

fn expectation(story: &Story, line: usize, text: &str) -> Result<Expectation, String> {
    let found = expect::SENTENCES.iter().find_map(|known| Some((known, known.form.read(text)?)));
    let Some((sentence, said)) = found else {
        return Err(unknown(text, "what must hold after `then`", expect::SENTENCES.iter().map(|known| &known.form)));
    };
    check_tiers(story, &said)?;
    let (as_of, events) = (moment::written(story.at), story.events.len());
    let (text, program, zone) = (format!("then {text}"), story.program.clone(), story.zone);
    Ok(Expectation { line, text, as_of, events, said, sentence, program, zone })
}

fn unknown<'a>(text: &str, what: &str, forms: impl IntoIterator<Item = &'a Form>) -> String {
    format!("`{text}` is no sentence that is known; {what} is said with\n{}", form::shown(forms))
}

/// Refuses a misspelled tier, which no member could ever hold.
fn check_tiers(story: &Story, said: &Said) -> Result<(), String> {
    let published = story.events.iter().filter_map(|event| event.get("program"));
    let mut known: Vec<_> = published.chain([&story.program]).flat_map(program::tiers).collect();
    known.sort_unstable();
    known.dedup();
    match said.tiers().into_iter().find(|tier| !known.contains(tier)) {
        Some(tier) => Err(format!("`{tier}` is no tier of the program; it has {}", known.join(", "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HEAD: &str = "scenario: a title\nsource: everyday\nprogram: genstore-spend-since-start-date\n";

    fn read(lines: &str) -> Result<Scenario, String> {
        let scenarios = super::read("a.scenario", &format!("{HEAD}{lines}"))?;
        Ok(scenarios.into_iter().next().unwrap())
    }

    #[test]
    fn a_late_order_is_received_at_its_line_and_dated_as_it_says() {
        let lines = "2024-01-10 09:00  anna spends 50.00 (order o1, dated 2023-12-20 10:00)\n    then anna has no tier";
        let scenario = read(lines).unwrap();
        let expected = json!([{ "type": "order.paid", "member_id": "anna", "order_id": "o1", "total": "50.00",
                                "occurred_at": "2023-12-20T10:00:00.000Z", "received_at": "2024-01-10T09:00:00.000Z" }]);
        assert_eq!(Value::from(scenario.events), expected);
        assert_eq!(
            (scenario.expectations[0].as_of.as_str(), scenario.expectations[0].events),
            ("2024-01-10T09:00:00.000Z", 1)
        );
    }

    #[test]
    fn a_moved_order_is_sent_again_with_a_later_revision() {
        let lines =
            "2024-01-10  a guest spends 50 (order o1)\n2024-02-01  order o1 belongs to ben\n  then ben has no tier";
        let moved = read(lines).unwrap().events[1].clone();
        let expected = json!({ "type": "order.paid", "member_id": "ben", "order_id": "o1", "total": "50",
                               "occurred_at": "2024-01-10T00:00:00.000Z", "revision": "2024-02-01T00:00:00.000Z",
                               "received_at": "2024-02-01T00:00:00.000Z" });
        assert_eq!(moved, expected);
    }

    #[test]
    fn settings_change_the_program_and_options_stand_apart() {
        let lines = "2024-01-10  the program changes\n    tiers.gold.threshold = 600\n    options.demotions = hold\n\
                     \x20 then anna has no tier";
        let scenario = read(lines).unwrap();
        let event = &scenario.events[0];
        assert_eq!(
            (&event["program"]["tiers"][2]["threshold"], &event["options"]),
            (&json!(600), &json!({ "demotions": "hold" }))
        );
        assert_eq!(scenario.program["tiers"][2]["threshold"], "500");
    }

    #[test]
    fn an_error_names_the_file_the_line_and_what_could_stand_there() {
        for (lines, expected) in [
            ("2024-01-10  anna spendz 50", "a.scenario:4: `anna spendz 50` is no sentence that is known"),
            ("2024-01-10  anna spendz 50", "  MEMBER spends AMOUNT [CURRENCY] (order ORDER"),
            ("2024-01-10  then anna is happy", "a.scenario:4: `happy` is no tier of the program; it has bronze"),
            ("2024-01-10  then anna shines", "  MEMBER has no tier [since SINCE]"),
            ("2024-01-10  anna enrols\n2024-01-09  ben enrols", "a.scenario:5: lines stand in the order of time"),
            ("2024-01-10  order o9 is refunded", "no line above tells of an order `o9`"),
            ("2024-01-10  anna enrols\n  active = false", "a.scenario:4: `active = …` may only follow"),
            ("anna enrols", "a.scenario:4: `anna` is no day"),
            ("   anna enrols", "a.scenario:4: the first sentence needs a day"),
            ("2024-01-10  anna enrols", "has no `then`"),
        ] {
            let error = read(lines).unwrap_err();
            assert!(error.contains(expected), "{lines:?} gives {error}");
        }
    }
}
