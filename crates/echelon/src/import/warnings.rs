//! What of an import counts for less than it seems to: facts that credit no member or count for nothing under the
//! program, and columns that were not found or not read.

use std::collections::BTreeMap;
use std::fmt;

use rules::calendar::{Day, Instant, Zone};
use rules::fact::{Currency, Fact, FactBody, OrderPaid, ReceivedFact};
use rules::quantity::Amount;
use serde::Serialize;

use super::columns::{Field, Header};
use super::orders::REFUND_IN_ROW;
use super::preset::Preset;
use super::sum::OrderSum;
use super::tally::{About, Tally, Version};

/// A warning: the report leads with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// One word, the same in every release.
    code: &'static str,
    /// The orders that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    orders: Option<u64>,
    /// Their totals, by currency.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    money: BTreeMap<&'static str, String>,
    /// The files that it is about, if it is not about all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    /// The columns that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
    /// The problem and the remedy, for people.
    message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files.as_slice() {
            [] => f.write_str(&self.message),
            [file] => write!(f, "{file}: {}", self.message),
            [file, more @ ..] => write!(f, "{file} and {} more: {}", more.len(), self.message),
        }
    }
}

impl Warning {
    /// Takes the files of a warning that says the same; gives it back if it says something else.
    pub fn merge(&mut self, other: Self) -> Option<Self> {
        if (self.code, &self.message) != (other.code, &other.message) || other.files.is_empty() {
            return Some(other);
        }
        self.files.extend(other.files);
        None
    }
}

/// The program that the facts are for.
#[derive(Debug, Clone)]
pub struct Against {
    /// Its currency.
    pub currency: Currency,
    /// Its time zone.
    pub timezone: Zone,
    /// The day from which it counts.
    pub start: Day,
}

/// The orders that were read, each as its latest version has it, as far as the report needs them.
#[derive(Debug, Default)]
pub struct Watch {
    against: Option<Against>,
    tally: Tally,
}

/// What is known of a row beside its facts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noted {
    /// Whether it calls its order paid, and has all of it as outstanding.
    pub nothing_paid: bool,
    /// What names its member.
    pub named_by: Option<About>,
}

/// The warning about some orders, if there are any.
fn about_orders(sum: &OrderSum, code: &'static str, say: impl FnOnce(&str) -> String) -> Option<Warning> {
    let message = say(&sum.to_string());
    let (files, columns) = (Vec::new(), Vec::new());
    let warning = Warning { code, orders: Some(sum.orders()), money: sum.money(), files, columns, message };
    (sum.orders() > 0).then_some(warning)
}

/// Whether a fact is a refund in the row of an order, of a part of it.
fn is_partial(fact: &Fact, paid: &OrderPaid) -> bool {
    let FactBody::OrderRefunded(_, id, refunded) = &fact.body else { return false };
    id.as_str() == REFUND_IN_ROW && refunded.amount > Amount::ZERO && refunded.amount < paid.charge.total
}

impl Watch {
    /// A watch over facts for a program, if one is given.
    pub fn new(against: Option<Against>) -> Self {
        Self { against, ..Self::default() }
    }

    /// Notes the facts of a row or document as they are written.
    pub fn take(&mut self, facts: &[ReceivedFact], noted: Noted) {
        for told in facts {
            let FactBody::OrderPaid(order, paid) = &told.fact.body else { continue };
            let is_test = paid.charge.test;
            let mut version = Version::of(&told.fact, paid);
            if let Some(named_by) = noted.named_by {
                version.set(named_by, true);
            }
            version.set(About::NoMember, told.fact.member().is_none() && !is_test);
            version.set(About::NothingPaid, noted.nothing_paid && !is_test);
            version.set(About::PartlyRefunded, !is_test && facts.iter().any(|told| is_partial(&told.fact, paid)));
            let is_foreign = |against: &Against| {
                paid.charge.currency != against.currency && paid.charge.exchange_rate.is_none() && !is_test
            };
            version.set(About::OtherCurrency, self.against.as_ref().is_some_and(is_foreign));
            let is_early = |against: &Against, at: Instant| against.timezone.day(at) < against.start;
            self.tally.count(order, version, |latest| {
                let is_early = self.against.as_ref().is_some_and(|against| is_early(against, latest.counts_at()));
                latest.set(About::BeforeStart, is_early && !latest.is_test());
            });
        }
    }

    /// The orders of which something is to be said.
    pub fn sum(&self, about: About) -> OrderSum {
        self.tally.sum(about)
    }

    /// The warnings about all facts, the one about members first.
    pub fn warnings(&self) -> Vec<Warning> {
        let without_member = about_orders(&self.sum(About::NoMember), "no_member", |orders| {
            format!(
                "{orders} name no member and credit none; if another column names the customer, take it with --column \
                 member_id=…"
            )
        });
        let nothing_paid = about_orders(&self.sum(About::NothingPaid), "nothing_paid", |orders| {
            format!(
                "{orders} are called paid and are outstanding in full: they count with all of their total; if they are not \
                 paid, leave them out, or give them a status that says so"
            )
        });
        let partly_refunded = about_orders(&self.sum(About::PartlyRefunded), "refunds_not_numbered", |orders| {
            format!(
                "{orders} are refunded in part, and the file does not number the refunds: a refund that a webhook tells \
                 again would count twice; if webhooks tell refunds from before this export, import these orders as JSON"
            )
        });
        let mut found: Vec<_> = without_member.into_iter().chain(nothing_paid).chain(partly_refunded).collect();
        if let Some(Against { currency, start, .. }) = &self.against {
            found.extend(about_orders(&self.sum(About::OtherCurrency), "no_exchange_rate", |orders| {
                format!(
                    "{orders} are not in {}, the program's currency, and have no exchange rate: they count nothing where \
                     money counts; add a column with {} per unit and name it with --column exchange_rate=…",
                    currency.code(),
                    currency.code()
                )
            }));
            found.extend(about_orders(&self.sum(About::BeforeStart), "before_start", |orders| {
                format!(
                    "{orders} were paid before {}, the day from which the program counts if it is published now, and \
                     count nothing; give the program an earlier `start_date`, and publish one by calendar year with the option `clamp: false`",
                    start.date()
                )
            }));
        }
        found
    }
}

/// The warning about a file whose time of modification stands for the time of its export.
pub fn export_time_assumed(file: &str) -> Warning {
    let message = "the file's time of modification is taken for the time of the export, and a copy or an edit changes it: of two \
         exports, and of an export and a webhook, the later one rules; say when it was exported with --exported-at";
    Warning { files: vec![file.to_owned()], ..about("export_time_assumed", Vec::new(), message.to_owned()) }
}

/// The warning about pages of orders that are not the last, where no last page was read.
pub fn more_pages(files: Vec<String>) -> Warning {
    let message = "more orders follow on another page (`pageInfo`), and no last page is among the files: ask for the pages \
         after it until `hasNextPage` is false, and give all of them to one import, or use a bulk operation";
    Warning { files, ..about("more_pages", Vec::new(), message.to_owned()) }
}

/// The warnings about a file's columns. `unread_money` are the headers of columns that are not read and look like money. With
/// the customers export (`is_joined`), the report counts the orders that are still under an address.
pub fn of_columns(file: &str, header: &Header, unread_money: &[&str], is_joined: bool) -> Vec<Warning> {
    let mut found = Vec::new();
    let unused: Vec<&str> = header.unused().collect();
    let mut missing = Vec::new();
    for (field, wanted) in header.absent() {
        let near = unused.iter().find(|name| are_alike(wanted, name) || are_alike(field.name(), name));
        match near {
            Some(near) => found.push(about(
                "column_spelled_otherwise",
                vec![(*near).to_owned()],
                format!(
                    "the column `{near}` is not read; if it is `{wanted}`, say so with --column {}=\"{near}\"",
                    field.name()
                ),
            )),
            None if header.preset() != Preset::Orders => missing.push((field, wanted.to_owned())),
            None => {}
        }
    }
    if !missing.is_empty() {
        let each: Vec<_> = missing.iter().map(|(field, wanted)| format!("`{wanted}` ({})", field.name())).collect();
        let message = format!(
            "optional columns are missing, and what they would say is unknown: {}; name one that is called \
             otherwise with --column FIELD=HEADER",
            each.join(", ")
        );
        found.push(about("columns_missing", missing.into_iter().map(|(_, wanted)| wanted).collect(), message));
    }
    if !unread_money.is_empty() {
        let names: Vec<_> = unread_money.iter().map(|name| format!("`{name}`")).collect();
        let message = format!(
            "columns that look like money are not read: {}; if they are part of the orders' totals, refunds or \
             payments, name their fields with --column",
            names.join(", ")
        );
        found.push(about("money_not_read", unread_money.iter().map(|name| (*name).to_owned()).collect(), message));
    }
    if header.lower_case_members && !is_joined {
        let column = header.used().find(|(field, _)| *field == Field::MemberId).map(|(_, column)| column.to_owned());
        let message = "members are named by their e-mail addresses; a shop's webhooks name them by number, and then each \
             customer becomes two members: name a column with the number with --column member_id=…, or merge them";
        found.push(about("members_are_addresses", column.into_iter().collect(), message.to_owned()));
    }
    found.iter_mut().for_each(|warning: &mut Warning| warning.files.push(file.to_owned()));
    found
}

fn about(code: &'static str, columns: Vec<String>, message: String) -> Warning {
    Warning { code, orders: None, money: BTreeMap::new(), files: Vec::new(), columns, message }
}

/// Whether a header is likely another spelling of the wanted one: at most one letter in six differs, apart from
/// capitals, spaces and signs.
fn are_alike(wanted: &str, name: &str) -> bool {
    let letters =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let (wanted, name) = (letters(wanted), letters(name));
    strsim::damerau_levenshtein(&wanted, &name) <= wanted.chars().count() / 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_spelling_is_known_and_another_word_is_not() {
        for (wanted, name) in [
            ("Cancelled at", "Canceled at"),
            ("cancelled_at", "Cancelled at"),
            ("Refunded Amount", "Refund Amount"),
            ("Outstanding Balance", "outstanding-balance"),
        ] {
            assert!(are_alike(wanted, name), "{wanted} {name}");
        }
        for (wanted, name) in [("Taxes", "Notes"), ("tax", "fax"), ("Paid at", "Created at"), ("Duties", "Cities")] {
            assert!(!are_alike(wanted, name), "{wanted} {name}");
        }
    }
}
