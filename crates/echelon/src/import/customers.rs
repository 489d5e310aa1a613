//! Shopify's customers export: which e-mail address and which phone number belong to which customer's number.
//!
//! Webhooks name members by the customer's number, exports of orders by e-mail address. Memory: some 50 bytes per
//! address and number, however long the rows are.

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;

use rules::calendar::Instant;
use rules::fact::{Fact, FactBody, Tag, TagsSet};
use rules::id::MemberId;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::ids;
use super::rows::{Rows, RowsError};

/// The fewest digits that can be a whole phone number; fewer are an extension or a slip.
const PHONE_DIGITS_MIN: usize = 7;

/// The first half of a SHA-256, in place of an address: no two of them are ever alike.
type Key = [u8; 16];

/// The customer to whom an address or phone number belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    One(u64),
    Several,
}

/// The outcome of looking for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Exactly one customer, under their number.
    One(MemberId),
    /// Several customers: it is not guessed which.
    Several,
    /// No customer of the export.
    None,
}

/// The customers of one or several exports.
#[derive(Debug, Default)]
pub struct Customers {
    by_email: HashMap<Key, Owner>,
    by_phone: HashMap<Key, Owner>,
}

/// Why a row of a customers export is not used. Each text names the column and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CustomerError {
    /// The row has more or fewer cells than the header.
    #[error(
        "the row has {found} cells, the header {expected}; look for a quote that is never closed or a comma that needs quotes"
    )]
    CellCount {
        /// The number in this row.
        found: usize,
        /// The number in the header.
        expected: usize,
    },
    /// A cell is not UTF-8.
    #[error("the row is not UTF-8; save the file again as \"CSV UTF-8\"")]
    NotUtf8,
    /// The customer has no number, or a spreadsheet has changed it.
    #[error(
        "column `{column}`: `{value}` is not a customer's number; export the file again and do not open it before the import"
    )]
    BadNumber {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
}

/// The places of the columns that are read.
#[derive(Debug)]
struct Places {
    number: usize,
    email: Option<usize>,
    phones: Vec<usize>,
    tags: Option<usize>,
}

/// A customers export that was opened.
#[derive(Debug)]
pub struct CustomersFile<R> {
    rows: Rows<R>,
    places: Places,
}

/// The line of a row, and the customer in it, or why the row is not used.
pub type CustomerRow = (u64, Result<Customer, CustomerError>);

/// A row of a customers export.
#[derive(Debug, PartialEq, Eq)]
pub struct Customer {
    /// The customer's number.
    pub member: MemberId,
    /// The customer's tags.
    pub tags: BTreeSet<Tag>,
}

impl Customer {
    /// The customer's tags as a fact, as they were when the file was exported.
    pub fn tags_set(self, exported_at: Instant) -> Fact {
        Fact::new(exported_at, self.member, FactBody::TagsSet(TagsSet { tags: self.tags }))
    }
}

impl<R: BufRead> CustomersFile<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// If it lacks the customer's number, or both the e-mail address and the phone number. The text follows the name of
    /// the file.
    pub fn open(reader: R, delimiter: u8) -> Result<Self, String> {
        let said = |error: RowsError| error.to_string();
        let rows = Rows::open(reader, delimiter).map_err(said)?;
        let lacks = |wanted: &str| {
            let there = rows.names().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!(
                "lacks {wanted}; its columns are {there}; --customers takes the file that Shopify's admin exports under \
                 Customers"
            )
        };
        let number = match rows.place("Customer ID").map_err(said)? {
            Some(place) => place,
            None => rows.place("ID").map_err(said)?.ok_or_else(|| lacks("`Customer ID`"))?,
        };
        let email = rows.place("Email").map_err(said)?;
        let mut phones = Vec::new();
        for name in ["Phone", "Default Address Phone"] {
            phones.extend(rows.place(name).map_err(said)?);
        }
        if email.is_none() && phones.is_empty() {
            return Err(lacks("`Email` and `Phone`"));
        }
        let tags = rows.place("Tags").map_err(said)?;
        Ok(Self { places: Places { number, email, phones, tags }, rows })
    }

    /// Whether the file has the customers' tags.
    pub fn has_tags(&self) -> bool {
        self.places.tags.is_some()
    }

    /// Reads the next row into the customers; returns its line and the customer, or why the row is not used. A blank
    /// row is passed over. None after the last row.
    ///
    /// # Errors
    /// If the file cannot be read further.
    pub fn next_into(&mut self, customers: &mut Customers) -> Result<Option<CustomerRow>, RowsError> {
        while let Some(line) = self.rows.next_row()? {
            if self.rows.cells().iter().any(|cell| !cell.trim_ascii().is_empty()) {
                return Ok(Some((line, self.row(customers))));
            }
        }
        Ok(None)
    }

    fn row(&self, customers: &mut Customers) -> Result<Customer, CustomerError> {
        let (cells, names) = (self.rows.cells(), self.rows.names());
        if cells.len() != names.len() {
            return Err(CustomerError::CellCount { found: cells.len(), expected: names.len() });
        }
        let text = |place: usize| {
            let cell = cells.get(place).unwrap_or_default();
            std::str::from_utf8(cell).map(plain).map_err(|_| CustomerError::NotUtf8)
        };
        let email = self.places.email.map(text).transpose()?.and_then(email_key);
        let phones = self.places.phones.iter().map(|place| text(*place)).collect::<Result<Vec<_>, _>>()?;
        let written = text(self.places.number)?;
        let Some(number) = ids::meant(written).ok().and_then(|number| number.parse::<u64>().ok()) else {
            // It is not known whose they are: they name no other customer either.
            customers.by_email.extend(email.map(|key| (key, Owner::Several)));
            customers.by_phone.extend(phones.into_iter().filter_map(phone_key).map(|key| (key, Owner::Several)));
            let column = names.get(self.places.number).cloned().unwrap_or_default();
            return Err(CustomerError::BadNumber { column, value: written.to_owned() });
        };
        let tags = self.places.tags.map(text).transpose()?.unwrap_or_default();
        if let Some(key) = email {
            own(&mut customers.by_email, key, number);
        }
        for key in phones.into_iter().filter_map(phone_key) {
            own(&mut customers.by_phone, key, number);
        }
        let member = MemberId::new(&number.to_string())
            .map_err(|_| CustomerError::BadNumber { column: "Customer ID".to_owned(), value: written.to_owned() })?;
        Ok(Customer { member, tags: tags.split(',').filter_map(Tag::new).collect() })
    }
}

impl Customers {
    /// The customer with this e-mail address; or, if no customer has it, the one with one of these phone numbers.
    pub fn find<'a>(&self, email: Option<&str>, phones: impl IntoIterator<Item = &'a str>) -> Match {
        let by_email = email.and_then(email_key).and_then(|key| self.by_email.get(&key));
        let mut found = by_email.copied();
        if found.is_none() {
            for owner in phones.into_iter().filter_map(phone_key).filter_map(|key| self.by_phone.get(&key)) {
                found = match found {
                    Some(known) if known != *owner => Some(Owner::Several),
                    Some(_) | None => Some(*owner),
                };
            }
        }
        match found {
            Some(Owner::One(number)) => MemberId::new(&number.to_string()).map_or(Match::None, Match::One),
            Some(Owner::Several) => Match::Several,
            None => Match::None,
        }
    }
}

fn own(owners: &mut HashMap<Key, Owner>, key: Key, number: u64) {
    let owner = owners.entry(key).or_insert(Owner::One(number));
    if *owner != Owner::One(number) {
        *owner = Owner::Several;
    }
}

/// The text of a cell without the mark that keeps spreadsheets from reading it as a number.
fn plain(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('\'').unwrap_or(cell).trim()
}

fn email_key(email: &str) -> Option<Key> {
    let email = plain(email).to_lowercase();
    email.contains('@').then(|| key(&email))
}

/// A phone number in the form in which it is compared: its digits, and `+` before those of an international one.
fn phone_key(phone: &str) -> Option<Key> {
    let phone = plain(phone);
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let international = phone.starts_with('+');
    let (international, digits) = match digits.strip_prefix("00") {
        Some(rest) if !international => (true, rest.to_owned()),
        Some(_) | None => (international, digits),
    };
    if digits.len() < PHONE_DIGITS_MIN {
        return None;
    }
    Some(key(&if international { format!("+{digits}") } else { digits }))
}

fn key(text: &str) -> Key {
    let hash = Sha256::digest(text.as_bytes());
    let mut key = Key::default();
    key.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "Customer ID,First Name,Email,Default Address Phone,Phone,Tags\n\
        '42,Ann,Ann@Example.com ,,'+44 7700 900001,\"vip, Gold\"\n\
        43,Ben,ben@example.com,0049 30 1234567,,\n\
        44,Cy,,+49 30 1234567,,\n\
        4.5E+12,Di,di@example.com,,,\n\
        ,,,,,\n\
        46,Ed,ed@example.com\n";

    fn read() -> (Customers, Vec<CustomerRow>) {
        let mut customers = Customers::default();
        let mut file = CustomersFile::open(FILE.as_bytes(), b',').unwrap();
        let mut rows = Vec::new();
        while let Some(row) = file.next_into(&mut customers).unwrap() {
            rows.push(row);
        }
        (customers, rows)
    }

    #[test]
    fn a_customer_is_found_by_an_address_in_any_capitals_or_else_by_phone_and_is_never_guessed() {
        let (customers, _) = read();
        let one = |number: &str| Match::One(MemberId::new(number).unwrap());
        for (email, phone, found) in [
            (Some(" ANN@example.com"), "", one("42")),
            (None, "+447700900001", one("42")),
            (None, "0044 7700-900001", one("42")),
            (None, "7700 900001", Match::None),
            (Some("old@example.com"), "+44 7700 900001", one("42")),
            (Some("ben@example.com"), "+44 7700 900001", one("43")),
            (None, "+49 (30) 1234567", Match::Several),
            (Some("di@example.com"), "", Match::Several),
            (Some("ben"), "12", Match::None),
        ] {
            assert_eq!(customers.find(email, [phone]), found, "{email:?} {phone}");
        }
        assert_eq!(customers.find(None, ["+447700900001", "+4930 1234567"]), Match::Several);
    }

    #[test]
    fn a_row_that_cannot_be_used_is_named_by_its_line_and_tags_are_read() {
        let (_, rows) = read();
        let lines: Vec<_> = rows.iter().map(|(line, row)| (*line, row.is_ok())).collect();
        assert_eq!(lines, [(2, true), (3, true), (4, true), (5, false), (7, false)]);
        let said = rows[3].1.as_ref().unwrap_err().to_string();
        assert!(said.contains("`Customer ID`: `4.5E+12`"), "{said}");
        let tags: Vec<_> = rows[0].1.as_ref().unwrap().tags.iter().map(Tag::as_str).collect();
        assert_eq!(tags, ["gold", "vip"]);
    }

    #[test]
    fn a_file_without_the_customers_number_is_another_file() {
        let said = CustomersFile::open("Email,Points\n".as_bytes(), b',').unwrap_err();
        assert!(said.contains("`Customer ID`") && said.contains("under Customers"), "{said}");
    }
}
