//! Members of another loyalty system as facts, from the rows of its customer export.
//!
//! A row becomes a balance of points, a tier held as a floor until it expires, a birthday and an enrolment. The ids of
//! all of them follow from the member as the file names them, so a file read twice changes nothing, and a later export
//! replaces an earlier one. Memory is bounded: only repeats within a window of recent rows are remembered.

pub mod columns;
pub mod dates;
pub mod refused;
pub mod report;

use std::collections::HashMap;

use csv::ByteRecord;
use rules::calendar::{Instant, Zone};
use rules::fact::{BirthdaySet, Enrolled, EntryKind, Fact, FactBody, Mode, PointsEntry, TierAssigned};
use rules::id::{AssignmentId, EntryId, IdError, MemberId, TierId};
use rules::program::Program;
use rules::quantity::Points;

use super::customers::{Customers, Match};
use super::repeats::{Print, Repeats, Seen, hash};
use columns::{Field, Header, Preset};
use dates::{DayError, DayOrder, When};
use refused::{Ignored, Refused};

/// Until when a tier is held where the row does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TiersUntil {
    /// Without end.
    Never,
    /// Until this instant, exclusive.
    At(Instant),
}

/// The meaning of a word in the status column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A member: enrolled.
    Member,
    /// A customer without enrolment; points and tier count all the same.
    Guest,
    /// A customer to be left out.
    Ignore,
}

/// The words for membership that the apps use, in lower case.
const STATUSES: [(&str, Status); 22] = [
    ("member", Status::Member),
    ("enrolled", Status::Member),
    ("active", Status::Member),
    ("approved", Status::Member),
    ("opted in", Status::Member),
    ("yes", Status::Member),
    ("true", Status::Member),
    ("1", Status::Member),
    ("guest", Status::Guest),
    ("candidate", Status::Guest),
    ("not enrolled", Status::Guest),
    ("not a member", Status::Guest),
    ("invited", Status::Guest),
    ("no", Status::Guest),
    ("false", Status::Guest),
    ("0", Status::Guest),
    ("opted out", Status::Ignore),
    ("disabled", Status::Ignore),
    ("excluded", Status::Ignore),
    ("blocked", Status::Ignore),
    ("inactive", Status::Ignore),
    ("unapproved", Status::Ignore),
];

/// The words that a column of tiers has for none.
const NO_TIER: [&str; 4] = ["none", "no tier", "-", "n/a"];

/// The way in which rows are read.
#[derive(Debug)]
pub struct Reading {
    /// The kind of the files.
    pub preset: Preset,
    /// The program whose tiers the file names, if it is given.
    pub program: Option<Program>,
    /// The shop's time zone, for days and local times.
    pub zone: Option<Zone>,
    /// What names of tiers mean, in lower case; none for no tier.
    pub tiers: HashMap<String, Option<TierId>>,
    /// Until when a tier is held where the row does not say.
    pub tiers_until: Option<TiersUntil>,
    /// Whether the day or the month comes first in dates.
    pub day_order: Option<DayOrder>,
    /// What words in the status column mean, in lower case; they go before the known ones.
    pub statuses: HashMap<String, Status>,
    /// The customers' numbers by e-mail address, if they are given.
    pub customers: Option<Customers>,
}

/// Why a row gives no facts.
#[derive(Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// The row is rightly left out.
    Ignored(Ignored),
    /// The row needs an operator's attention.
    Refused(Refused),
}

impl From<Ignored> for LeftOut {
    fn from(reason: Ignored) -> Self {
        Self::Ignored(reason)
    }
}

impl From<Refused> for LeftOut {
    fn from(reason: Refused) -> Self {
        Self::Refused(reason)
    }
}

/// How a row's member is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// By an id: the file's own, or the number of the customers export.
    Id,
    /// By an e-mail address.
    Email,
}

/// A row as facts.
#[derive(Debug)]
pub struct Taken {
    /// How the member is named.
    pub by: NamedBy,
    /// The facts, marked as imported.
    pub facts: Vec<Fact>,
}

/// A reader of rows.
#[derive(Debug)]
pub struct Members {
    reading: Reading,
    repeats: Repeats,
    file: u32,
    exported_at: Instant,
}

/// The member of a row.
struct Identity {
    member: MemberId,
    by: NamedBy,
    /// The member as the file names them: the ids of what is imported follow from it, whichever number is found.
    written: String,
    /// The cell, as it was meant.
    cell: String,
    field: Field,
}

impl Members {
    /// A reader of files that were exported at an instant.
    pub fn new(reading: Reading, exported_at: Instant) -> Self {
        Self { reading, repeats: Repeats::default(), file: 0, exported_at }
    }

    /// Notes that the next rows are from another file, which was exported at this instant.
    pub fn next_file(&mut self, exported_at: Instant) {
        self.file += 1;
        // Of files exported at the same instant the later one given is the later one.
        self.exported_at = exported_at.plus_millis(i64::from(self.file) - 1);
    }

    /// The facts of a row, all of them or none.
    ///
    /// # Errors
    /// Why there are none.
    pub fn read(&mut self, header: &Header, cells: &ByteRecord) -> Result<Taken, LeftOut> {
        if cells.iter().all(|cell| cell.trim_ascii().is_empty()) {
            return Err(Ignored::BlankRow.into());
        }
        if cells.len() != header.width() {
            return Err(Refused::CellCount { found: cells.len(), expected: header.width() }.into());
        }
        let row = Row { header, cells };
        let status = self.status(row)?;
        let named = self.identity(row)?;
        let bodies = self.bodies(row, &named, status)?;
        if bodies.is_empty() {
            return Err(match row.cell(Field::Status)? {
                Some(word) if status == Some(Status::Guest) => Ignored::NotInProgram(word.to_owned()).into(),
                Some(_) | None => Ignored::NothingToTake.into(),
            });
        }
        self.unknown(row, &named)?;
        let fact = |(at, body): (Instant, FactBody)| {
            let mut fact = Fact::new(at, named.member.clone(), body);
            fact.revision = self.exported_at.max(at);
            fact.mark_imported();
            fact
        };
        Ok(Taken { by: named.by, facts: bodies.into_iter().map(fact).collect() })
    }

    fn bodies(
        &self,
        row: Row<'_>,
        named: &Identity,
        status: Option<Status>,
    ) -> Result<Vec<(Instant, FactBody)>, Refused> {
        let enrolled = self.enrolled(row, status)?;
        let points = points(row)?;
        let tier = self.tier(row)?;
        let birthday = self.birthday(row)?;
        let key = format!("{}:{}", self.reading.preset.source(), named.written);
        let bad =
            |why: IdError| Refused::BadId { column: row.header.column(named.field), value: named.cell.clone(), why };
        let at = self.exported_at;
        let mut bodies = Vec::new();
        // The enrolment first: what follows in the file is then a member's.
        bodies.extend(enrolled.map(|at| (at, FactBody::Enrolled(Enrolled { birthday: None }))));
        bodies.extend(birthday.map(|day| (at, FactBody::BirthdaySet(BirthdaySet { birthday: Some(day) }))));
        if let Some((kind, points)) = points {
            let reason = Some(format!("balance moved from {}", self.reading.preset.app()));
            let entry = EntryId::new(&key).map_err(bad)?;
            bodies.push((at, FactBody::PointsEntry(entry, PointsEntry { kind, points, reason })));
        }
        if let Some((tier, until)) = tier {
            let assigned = TierAssigned {
                tier: Some(tier),
                mode: Mode::Floor,
                until,
                reason: Some(format!("tier moved from {}", self.reading.preset.app())),
                by: None,
                reward: false,
            };
            bodies.push((at, FactBody::TierAssigned(AssignmentId::new(&key).map_err(bad)?, assigned)));
        }
        Ok(bodies)
    }

    fn identity(&self, row: Row<'_>) -> Result<Identity, Refused> {
        let (field, cell) = match (row.cell(Field::MemberId)?, row.cell(Field::Email)?) {
            (Some(id), _) => (Field::MemberId, id),
            (None, Some(email)) => (Field::Email, email),
            (None, None) => {
                let field = if row.header.has(Field::MemberId) { Field::MemberId } else { Field::Email };
                return Err(Refused::NoMember { column: row.header.column(field) });
            }
        };
        let column = || row.header.column(field);
        let Ok(cell) = super::ids::meant(cell) else {
            return Err(Refused::RoundedId { column: column(), value: cell.to_owned() });
        };
        let cell = &*cell;
        let is_email = field == Field::Email || cell.contains('@');
        let written = if is_email { cell.to_lowercase() } else { cell.to_owned() };
        let found = self.reading.customers.as_ref().filter(|_| is_email).map(|known| known.find(Some(&written), []));
        let (member, by) = match found {
            // A customer whose address changes keeps what was imported under the number.
            Some(Match::One(member)) => {
                let written = member.to_string();
                return Ok(Identity { member, by: NamedBy::Id, written, cell: cell.to_owned(), field });
            }
            Some(Match::Several) => {
                return Err(Refused::AmbiguousCustomer { column: column(), value: cell.to_owned() });
            }
            Some(Match::None) | None => {
                let bad = |why| Refused::BadId { column: column(), value: cell.to_owned(), why };
                let by = if is_email { NamedBy::Email } else { NamedBy::Id };
                (MemberId::new(&written).map_err(bad)?, by)
            }
        };
        Ok(Identity { member, by, written, cell: cell.to_owned(), field })
    }

    /// The meaning of the status; none if the row has none.
    fn status(&self, row: Row<'_>) -> Result<Option<Status>, LeftOut> {
        let Some(word) = row.cell(Field::Status)? else { return Ok(None) };
        let lower = word.to_lowercase().replace('_', " ");
        let known = || STATUSES.iter().find(|(known, _)| *known == lower).map(|(_, status)| *status);
        let stated = self.reading.statuses.get(&word.to_lowercase()).copied();
        match stated.or_else(known) {
            Some(Status::Ignore) => Err(Ignored::NotInProgram(word.to_owned()).into()),
            Some(status) => Ok(Some(status)),
            None => {
                Err(Refused::UnknownStatus { column: row.header.column(Field::Status), value: word.to_owned() }.into())
            }
        }
    }

    /// When the member joined: as the row says, or else by the export at the latest, if the row says that they did.
    fn enrolled(&self, row: Row<'_>, status: Option<Status>) -> Result<Option<Instant>, Refused> {
        if status == Some(Status::Guest) {
            return Ok(None);
        }
        let Some((text, when)) = self.when(row, Field::EnrolledAt)? else {
            return Ok(status.map(|_| self.exported_at));
        };
        let at = when.start(&self.zone(row, Field::EnrolledAt, text)?);
        if at > self.exported_at {
            let column = row.header.column(Field::EnrolledAt);
            return Err(Refused::JoinedLater { column, value: text.to_owned() });
        }
        Ok(Some(at))
    }

    fn birthday(&self, row: Row<'_>) -> Result<Option<rules::calendar::DayOfYear>, Refused> {
        let Some(text) = row.cell(Field::Birthday)? else { return Ok(None) };
        let read = dates::birthday(text, self.reading.day_order);
        read.map(Some).map_err(|why| bad_day(row, Field::Birthday, text, why))
    }

    /// The tier, and until when it is held; no instant is without end.
    fn tier(&self, row: Row<'_>) -> Result<Option<(TierId, Option<Instant>)>, Refused> {
        let Some(text) = row.cell(Field::Tier)? else { return Ok(None) };
        let (column, tier) = (|field| row.header.column(field), || text.to_owned());
        let id = match self.reading.tiers.get(&text.to_lowercase()) {
            Some(None) => return Ok(None),
            Some(Some(id)) => id.clone(),
            None => {
                let is_none = NO_TIER.contains(&text.to_lowercase().as_str());
                match self.reading.program.as_ref().map(|program| program.tier_named(text)) {
                    Some(Ok(found)) => found.id.clone(),
                    Some(Err(_)) | None if is_none => return Ok(None),
                    Some(Err(why)) => return Err(Refused::BadTier { column: column(Field::Tier), why }),
                    None => return Err(Refused::NoProgram { column: column(Field::Tier), tier: tier() }),
                }
            }
        };
        let (until, value) = match (self.when(row, Field::Until)?, self.reading.tiers_until) {
            (Some((written, when)), _) => {
                let far = || Refused::BadDay { column: column(Field::Until), value: written.to_owned() };
                let end = when.end(&self.zone(row, Field::Until, written)?).ok_or_else(far)?;
                (Some(end), written.to_owned())
            }
            (None, Some(TiersUntil::Never)) => (None, String::new()),
            (None, Some(TiersUntil::At(until))) => (Some(until), until.to_string()),
            (None, None) => return Err(Refused::NoExpiry { column: until_column(row), tier: tier() }),
        };
        if until.is_some_and(|until| until <= self.exported_at) {
            return Err(Refused::Expired { column: until_column(row), tier: tier(), value });
        }
        Ok(Some((id, until)))
    }

    fn when<'a>(&self, row: Row<'a>, field: Field) -> Result<Option<(&'a str, When)>, Refused> {
        let Some(text) = row.cell(field)? else { return Ok(None) };
        let read = dates::when(text, self.reading.day_order, self.reading.zone.as_ref());
        read.map(|when| Some((text, when))).map_err(|why| bad_day(row, field, text, why))
    }

    fn zone(&self, row: Row<'_>, field: Field, text: &str) -> Result<Zone, Refused> {
        self.reading.zone.clone().ok_or_else(|| bad_day(row, field, text, DayError::NoTimezone))
    }

    /// Leaves out rows that were read before. In another file the later export rules; in the same file it is not clear
    /// which row is meant.
    fn unknown(&mut self, row: Row<'_>, named: &Identity) -> Result<(), LeftOut> {
        let content = hash(Field::ALL.map(|field| row.cell(field).ok().flatten()));
        let print = Print { id: hash(&named.member), content, file: self.file };
        match self.repeats.look(print) {
            Seen::Same => return Err(Ignored::Repeated(named.cell.to_owned()).into()),
            Seen::Different => {
                let (column, member) = (row.header.column(named.field), named.cell.to_owned());
                return Err(Refused::Twice { column, member }.into());
            }
            Seen::Never | Seen::DifferentElsewhere => {}
        }
        self.repeats.remember(print);
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Row<'a> {
    header: &'a Header,
    cells: &'a ByteRecord,
}

impl<'a> Row<'a> {
    fn cell(&self, field: Field) -> Result<Option<&'a str>, Refused> {
        self.header.cell(self.cells, field)
    }
}

/// The balance; none for 0. One below 0 is a correction, because imported points are above 0.
fn points(row: Row<'_>) -> Result<Option<(EntryKind, Points)>, Refused> {
    let Some(text) = row.cell(Field::Points)? else { return Ok(None) };
    let bad = || Refused::BadPoints { column: row.header.column(Field::Points), value: text.to_owned() };
    // Some apps write whole points with decimals.
    let whole = [".00", ".0"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
    match whole.parse::<i64>().map_err(|_| bad())? {
        0 => Ok(None),
        count => {
            let kind = if count > 0 { EntryKind::Imported } else { EntryKind::Adjusted };
            Points::new(count).map(|points| Some((kind, points))).ok_or_else(bad)
        }
    }
}

/// The column that says until when a tier is held, or else that of the tier.
fn until_column(row: Row<'_>) -> String {
    row.header.column(if row.header.has(Field::Until) { Field::Until } else { Field::Tier })
}

fn bad_day(row: Row<'_>, field: Field, text: &str, why: DayError) -> Refused {
    let (column, value) = (row.header.column(field), text.to_owned());
    match why {
        DayError::Unreadable => Refused::BadDay { column, value },
        DayError::Ambiguous => Refused::AmbiguousDay { column, value },
        DayError::NoTimezone => Refused::NoTimezone { column, value },
    }
}

/// Reads `WORD=member`, `WORD=guest` or `WORD=ignore`.
///
/// # Errors
/// If it has another form.
pub fn parse_status(text: &str) -> Result<(String, Status), String> {
    let (word, meaning) = text.rsplit_once('=').ok_or("write WORD=member, WORD=guest or WORD=ignore")?;
    let status = match meaning.trim() {
        "member" => Status::Member,
        "guest" => Status::Guest,
        "ignore" => Status::Ignore,
        other => return Err(format!("`{other}` is not known; write member, guest or ignore after `=`")),
    };
    Ok((word.trim().to_lowercase(), status))
}
