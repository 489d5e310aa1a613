//! The columns of customer exports: fields, presets, and where they are in a file.

use std::io::BufRead;

use clap::ValueEnum;

use super::refused::Refused;
use crate::import::rows::{Rows, RowsError};

/// A field of a member that a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The member's id, as live facts name the member.
    MemberId,
    /// The e-mail address, which names the member where there is no id.
    Email,
    /// The balance of points.
    Points,
    /// The tier held, by id or name.
    Tier,
    /// The last day, or the instant, until which the tier is held.
    Until,
    /// The birthday.
    Birthday,
    /// When the member joined.
    EnrolledAt,
    /// A word that says whether the customer is a member.
    Status,
}

impl Field {
    /// All fields, in the order of their places.
    pub const ALL: [Self; 8] = [
        Self::MemberId,
        Self::Email,
        Self::Points,
        Self::Tier,
        Self::Until,
        Self::Birthday,
        Self::EnrolledAt,
        Self::Status,
    ];

    /// The name on the command line, and in a file that needs no mapping.
    pub fn name(self) -> &'static str {
        match self {
            Self::MemberId => "member_id",
            Self::Email => "email",
            Self::Points => "points",
            Self::Tier => "tier",
            Self::Until => "until",
            Self::Birthday => "birthday",
            Self::EnrolledAt => "enrolled_at",
            Self::Status => "status",
        }
    }

    fn place(self) -> usize {
        self as usize
    }

    /// Reads the name of a field.
    ///
    /// # Errors
    /// If it is none; the text lists them all.
    pub fn named(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|field| field.name() == name.trim());
        found.ok_or_else(|| format!("`{name}` is not a field of members; the fields are {}", known()))
    }
}

/// Known kinds of customer exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Columns named like the fields of a member: member_id or email, points, tier, until, birthday, enrolled_at, status
    Members,
    /// The customers that Smile.io exports
    Smile,
    /// The members that AiTrillion exports
    Aitrillion,
    /// The customers that LoyaltyLion exports
    Loyaltylion,
    /// The customers that Yotpo Loyalty exports
    Yotpo,
}

impl Preset {
    /// The name before the ids of what is imported, so that two apps never use the same ones.
    pub fn source(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Smile => "smile",
            Self::Aitrillion => "aitrillion",
            Self::Loyaltylion => "loyaltylion",
            Self::Yotpo => "yotpo",
        }
    }

    /// The app, as people know it.
    pub fn app(self) -> &'static str {
        match self {
            Self::Members => "another system",
            Self::Smile => "Smile.io",
            Self::Aitrillion => "AiTrillion",
            Self::Loyaltylion => "LoyaltyLion",
            Self::Yotpo => "Yotpo",
        }
    }

    /// The headers that a field may have; the first one that is there is read. Apps rename columns, and some let the
    /// merchant choose.
    fn headers(self, field: Field) -> &'static [&'static str] {
        match (self, field) {
            (Self::Members, field) => match field {
                Field::MemberId => &["member_id"],
                Field::Email => &["email"],
                Field::Points => &["points"],
                Field::Tier => &["tier"],
                Field::Until => &["until"],
                Field::Birthday => &["birthday"],
                Field::EnrolledAt => &["enrolled_at"],
                Field::Status => &["status"],
            },
            // In the shop's own numbers: the app's customer id is not what webhooks name.
            (Self::Loyaltylion, Field::MemberId) => &["Merchant ID", "Shopify ID"],
            (Self::Smile | Self::Aitrillion | Self::Yotpo, Field::MemberId) => &["Shopify Customer ID"],
            (Self::Smile | Self::Aitrillion | Self::Loyaltylion | Self::Yotpo, field) => match field {
                Field::MemberId => &[],
                Field::Email => &["Email", "Email Address", "Customer Email"],
                Field::Points => self.points(),
                Field::Tier => &["VIP Tier Name", "VIP Tier", "Tier Name", "Loyalty Tier", "Current Tier", "Tier"],
                Field::Until => &[
                    "VIP Tier Expires At",
                    "VIP Tier Expiry Date",
                    "VIP Tier Expiration Date",
                    "VIP Tier Expiration",
                    "Tier Expires At",
                    "Tier Expiry Date",
                    "Tier Expiration Date",
                ],
                Field::Birthday => {
                    &["Date of Birth", "Birthday", "Birth Date", "Birthday (MM/DD)", "Birthday (MM/DD/YYYY)"]
                }
                Field::EnrolledAt => {
                    &["Enrolled At", "Joined At", "Member Since", "Opted In At", "Date Joined", "Enrollment Date"]
                }
                Field::Status => self.status(),
            },
        }
    }

    fn points(self) -> &'static [&'static str] {
        match self {
            Self::Members | Self::Smile => &["Points Balance", "Points"],
            Self::Aitrillion => &["Available Points", "Points Balance", "Points"],
            Self::Loyaltylion => &["Points Approved", "Current Points", "Points Balance", "Points"],
            Self::Yotpo => &["Points Balance", "Current Points Balance", "Points"],
        }
    }

    fn status(self) -> &'static [&'static str] {
        match self {
            Self::Smile => &["Customer Status", "Status", "State"],
            Self::Members | Self::Aitrillion => &["Member Status", "Status"],
            Self::Loyaltylion => &["Loyalty Status", "Enrolled", "State"],
            Self::Yotpo => &["Opted In", "Loyalty Status"],
        }
    }
}

/// The mapping that the command line gives.
#[derive(Debug)]
pub struct Mapping {
    /// The kind of the file.
    pub preset: Preset,
    /// The columns named one by one. If a field is named twice, the last one counts.
    pub columns: Vec<(Field, String)>,
    /// The fields that are not read, even if the file has them.
    pub without: Vec<Field>,
}

/// The header of a file, with the place of each field.
#[derive(Debug)]
pub struct Header {
    names: Vec<String>,
    places: [Option<usize>; Field::ALL.len()],
}

impl Header {
    /// Finds the fields in a file's header.
    ///
    /// # Errors
    /// If no column names the member, none says anything about members, or a column named by hand is not there. The
    /// text follows the name of the file.
    pub fn read<R: BufRead>(rows: &Rows<R>, mapping: &Mapping) -> Result<Self, String> {
        let mut header = Self { names: rows.names().to_vec(), places: [None; Field::ALL.len()] };
        let said = |error: RowsError| error.to_string();
        for field in Field::ALL.into_iter().filter(|field| !mapping.without.contains(field)) {
            let by_hand = mapping.columns.iter().rev().find(|(known, _)| *known == field).map(|(_, name)| name);
            let mut found = None;
            match by_hand {
                Some(name) => {
                    found = Some(rows.place(name).map_err(said)?.ok_or_else(|| header.lacks(&format!("`{name}`")))?);
                }
                None => {
                    for wanted in mapping.preset.headers(field) {
                        // `points_balance` is `Points Balance`.
                        let words = wanted.replace(' ', "_");
                        let place = rows
                            .place(wanted)
                            .and_then(|place| place.map_or_else(|| rows.place(&words), |at| Ok(Some(at))));
                        found = found.or(place.map_err(said)?);
                    }
                }
            }
            if let Some(place) = header.places.get_mut(field.place()) {
                *place = found;
            }
        }
        if !header.has(Field::MemberId) && !header.has(Field::Email) {
            return Err(header.lacks("a column that names the member (member_id or email)"));
        }
        let says = [Field::Points, Field::Tier, Field::Birthday, Field::EnrolledAt, Field::Status];
        if !says.into_iter().any(|field| header.has(field)) {
            return Err(header.lacks("a column with points, tiers, birthdays or enrolment"));
        }
        Ok(header)
    }

    fn lacks(&self, wanted: &str) -> String {
        let there = self.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let separated = match self.names.as_slice() {
            [only] if only.contains([';', '\t']) => {
                "; if the cells are not separated by commas, say so with --delimiter"
            }
            _ => "",
        };
        format!(
            "lacks {wanted}; its columns are {there}; name the right column, such as --column points=…, or the kind of \
             file with --preset{separated}"
        )
    }

    /// Whether the file has a column for the field.
    pub fn has(&self, field: Field) -> bool {
        self.place(field).is_some()
    }

    /// The number of cells in a row.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// The fields found, each with its header.
    pub fn used(&self) -> impl Iterator<Item = (Field, &str)> {
        Field::ALL.into_iter().filter_map(|field| Some((field, self.names.get(self.place(field)?)?.as_str())))
    }

    /// The headers that belong to no field.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        let taken = |place| self.places.contains(&Some(place));
        self.names.iter().enumerate().filter(move |(place, _)| !taken(*place)).map(|(_, name)| name.as_str())
    }

    /// The header of a field's column, for a message.
    pub fn column(&self, field: Field) -> String {
        let name = self.place(field).and_then(|place| self.names.get(place));
        name.map_or_else(|| field.name().to_owned(), Clone::clone)
    }

    /// The cell of a field without the spaces around it; none if it is empty or the file has no such column.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn cell<'a>(&self, cells: &'a csv::ByteRecord, field: Field) -> Result<Option<&'a str>, Refused> {
        let Some(cell) = self.place(field).and_then(|place| cells.get(place)) else { return Ok(None) };
        let text = std::str::from_utf8(cell).map_err(|_| Refused::NotUtf8 { column: self.column(field) })?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    }

    fn place(&self, field: Field) -> Option<usize> {
        self.places.get(field.place()).copied().flatten()
    }
}

/// Reads `FIELD=HEADER`.
///
/// # Errors
/// If there is no such field, or the header is empty.
pub fn parse_column(text: &str) -> Result<(Field, String), String> {
    let (name, header) = text.split_once('=').ok_or("write FIELD=HEADER, such as points=Balance")?;
    let field = Field::named(name)?;
    match header.trim() {
        "" => Err("the header after `=` is empty".to_owned()),
        header => Ok((field, header.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &str, preset: Preset, columns: &[&str]) -> Result<Header, String> {
        let rows = Rows::open(names.as_bytes(), b',').unwrap();
        let columns = columns.iter().map(|text| parse_column(text).unwrap()).collect();
        Header::read(&rows, &Mapping { preset, columns, without: Vec::new() })
    }

    #[test]
    fn every_field_has_its_own_place() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!((field.place(), Field::named(field.name())), (place, Ok(field)));
        }
    }

    #[test]
    fn the_first_known_header_is_read_in_any_capitals_and_with_underscores() {
        let read = header("email,points,points_balance,VIP tier", Preset::Smile, &[]).unwrap();
        let used: Vec<_> = read.used().map(|(field, name)| (field.name(), name.to_owned())).collect();
        assert_eq!(
            used,
            [("email", "email".to_owned()), ("points", "points_balance".to_owned()), ("tier", "VIP tier".to_owned())]
        );
        assert_eq!(read.unused().collect::<Vec<_>>(), ["points"]);
    }

    #[test]
    fn a_column_named_by_hand_goes_before_the_preset_and_must_be_there() {
        let read = header("email,points_balance,Lifetime", Preset::Yotpo, &["points=lifetime"]).unwrap();
        assert_eq!(read.column(Field::Points), "Lifetime");
        let said = header("email,points_balance", Preset::Yotpo, &["points=lifetime"]).unwrap_err();
        assert!(said.contains("`lifetime`") && said.contains("`points_balance`"), "{said}");
    }

    #[test]
    fn a_file_that_names_no_member_or_says_nothing_is_an_error() {
        assert!(header("name,points", Preset::Members, &[]).unwrap_err().contains("member_id or email"));
        assert!(header("email,colour", Preset::Members, &[]).unwrap_err().contains("points, tiers"));
        assert!(header("email;points", Preset::Members, &[]).unwrap_err().contains("--delimiter"));
    }
}
