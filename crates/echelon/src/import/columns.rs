//! The mapping from the columns of a file to fields.

use super::outcome::Rejected;
use super::preset::Preset;

/// A field of an order that a column can hold. The first four are required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The order's number, or a return's own.
    OrderId,
    /// The member; empty for a guest.
    MemberId,
    /// When it was paid, or refunded.
    OccurredAt,
    /// The time of day, where `occurred_at` is a column with the date alone.
    TimeOfDay,
    /// The grand total.
    Total,
    /// The tax in it.
    Tax,
    /// The shipping in it.
    Shipping,
    /// The tips in it.
    Tips,
    /// The duties in it.
    Duties,
    /// The discounts, which were subtracted before.
    Discounts,
    /// The part of it that bought gift cards.
    GiftCards,
    /// The part of it that was paid with gift cards or store credit.
    PaidWithCredit,
    /// The part of it that is not paid yet.
    Outstanding,
    /// The currency.
    Currency,
    /// The program currency per unit of the order's currency.
    ExchangeRate,
    /// Whether it was only a test.
    Test,
    /// The kind of row, as a word with a known meaning.
    Kind,
    /// The order that a return belongs to.
    RefundOf,
    /// The amount of the order in the same row that was refunded.
    Refunded,
    /// When it was refunded; if unknown, when the order was canceled, or else when it was paid.
    RefundedAt,
    /// When the order was canceled.
    CancelledAt,
    /// When it was paid, where another column says when it was ordered. The order counts for that day.
    PaidAt,
    /// Used if `occurred_at` is empty.
    CreatedAt,
    /// A value that the rows of one order share.
    Group,
}

impl Field {
    /// All fields, in the order of their places.
    pub const ALL: [Self; 24] = [
        Self::OrderId,
        Self::MemberId,
        Self::OccurredAt,
        Self::TimeOfDay,
        Self::Total,
        Self::Tax,
        Self::Shipping,
        Self::Tips,
        Self::Duties,
        Self::Discounts,
        Self::GiftCards,
        Self::PaidWithCredit,
        Self::Outstanding,
        Self::Currency,
        Self::ExchangeRate,
        Self::Test,
        Self::Kind,
        Self::RefundOf,
        Self::Refunded,
        Self::RefundedAt,
        Self::CancelledAt,
        Self::PaidAt,
        Self::CreatedAt,
        Self::Group,
    ];

    /// The name on the command line, and in a file that needs no mapping.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderId => "order_id",
            Self::MemberId => "member_id",
            Self::OccurredAt => "occurred_at",
            Self::TimeOfDay => "time_of_day",
            Self::Total => "total",
            Self::Tax => "tax",
            Self::Shipping => "shipping",
            Self::Tips => "tips",
            Self::Duties => "duties",
            Self::Discounts => "discounts",
            Self::GiftCards => "gift_cards",
            Self::PaidWithCredit => "paid_with_credit",
            Self::Outstanding => "outstanding",
            Self::Currency => "currency",
            Self::ExchangeRate => "exchange_rate",
            Self::Test => "test",
            Self::Kind => "kind",
            Self::RefundOf => "refund_of",
            Self::Refunded => "refunded",
            Self::RefundedAt => "refunded_at",
            Self::CancelledAt => "cancelled_at",
            Self::PaidAt => "paid_at",
            Self::CreatedAt => "created_at",
            Self::Group => "group",
        }
    }

    /// Whether the field is required: without these fields a file holds no orders of members.
    pub fn required(self) -> bool {
        matches!(self, Self::OrderId | Self::MemberId | Self::OccurredAt | Self::Total)
    }

    fn place(self) -> usize {
        self as usize
    }
}

/// The mapping that the command line gives.
#[derive(Debug)]
pub struct Mapping {
    /// The kind of the file.
    pub preset: Preset,
    /// The columns named one by one. If a field is named twice, the last one counts.
    pub columns: Vec<(Field, String)>,
    /// Whether a currency is given for rows that name none.
    pub has_currency: bool,
}

/// The header of one file, with the place of each field in it.
#[derive(Debug)]
pub struct Header {
    names: Vec<String>,
    places: [Option<usize>; Field::ALL.len()],
    preset: Preset,
    /// The optional fields that were looked for in vain, with the header looked for.
    absent: Vec<(Field, String)>,
    /// Whether member ids are compared without regard to case.
    pub lower_case_members: bool,
}

impl Header {
    /// Finds the fields in a file's header. The error says which are missing and which columns there are.
    pub fn read(names: Vec<String>, mapping: &Mapping) -> Result<Self, String> {
        let mut header = Self {
            names,
            places: [None; Field::ALL.len()],
            preset: mapping.preset,
            absent: Vec::new(),
            lower_case_members: false,
        };
        let mut missing = Vec::new();
        for field in Field::ALL {
            let named = mapping.columns.iter().rev().find(|(known, _)| *known == field).map(|(_, name)| name.as_str());
            let wanted = named.map_or_else(|| mapping.preset.columns(field), |name| vec![name]);
            let Some(first) = wanted.first() else { continue };
            let mut found = None;
            for wanted in &wanted {
                found = found.or(header.find(wanted)?);
            }
            let currency = field == Field::Currency && !mapping.has_currency;
            match found {
                Some(_) => {}
                None if named.is_some() || currency || mapping.preset.needs(field) => {
                    missing.push((field, (*first).to_owned()));
                }
                // Given for all rows.
                None if field == Field::Currency => {}
                None => header.absent.push((field, (*first).to_owned())),
            }
            if let Some(place) = header.places.get_mut(field.place()) {
                *place = found;
            }
            if field == Field::MemberId && named.is_none() {
                header.lower_case_members = mapping.preset.members_are_addresses();
            }
        }
        if missing.is_empty() { Ok(header) } else { Err(header.lacks(&missing)) }
    }

    fn find(&self, wanted: &str) -> Result<Option<usize>, String> {
        let exact = |name: &String| name == wanted;
        let alike = |name: &String| name.eq_ignore_ascii_case(wanted);
        let mut places = self.names.iter().enumerate().filter(|(_, name)| alike(name));
        let first = places.next().map(|(place, _)| place);
        if places.next().is_none() {
            return Ok(first);
        }
        if self.names.iter().filter(|name| exact(name)).count() == 1 {
            return Ok(self.names.iter().position(exact));
        }
        Err(format!("the column `{wanted}` is there twice; rename one, or name another with --column"))
    }

    fn lacks(&self, missing: &[(Field, String)]) -> String {
        let quoted = |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let wanted = quoted(missing.iter().map(|(_, name)| name.as_str()).collect());
        let there = quoted(self.names.iter().map(String::as_str).collect());
        let example = missing.first().map_or("", |(field, _)| field.name());
        let currency = missing.iter().any(|(field, _)| *field == Field::Currency);
        let or_currency = if currency { ", or one currency for all rows with --currency GBP" } else { "" };
        let separated = match self.names.as_slice() {
            [only] if only.contains([';', '\t']) => {
                "; if the cells are not separated by commas, say so with --delimiter"
            }
            _ => "",
        };
        format!(
            "lacks {wanted}; its columns are {there}; name the right column with --column {example}=…, \
             or the kind of file with --preset{or_currency}{separated}"
        )
    }

    /// The fields found, each with its header.
    pub fn used(&self) -> impl Iterator<Item = (Field, &str)> {
        Field::ALL.into_iter().filter_map(|field| Some((field, self.names.get(self.place(field)?)?.as_str())))
    }

    /// The headers that belong to no field.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.unused_places().map(|(_, name)| name)
    }

    /// The headers that belong to no field, each with its place in the row.
    pub fn unused_places(&self) -> impl Iterator<Item = (usize, &str)> {
        let taken = |place| self.places.contains(&Some(place));
        self.names.iter().map(String::as_str).enumerate().filter(move |(place, _)| !taken(*place))
    }

    /// The optional fields that the file has no column for, each with the header looked for.
    pub fn absent(&self) -> impl Iterator<Item = (Field, &str)> {
        self.absent.iter().map(|(field, wanted)| (*field, wanted.as_str()))
    }

    /// The kind of file.
    pub fn preset(&self) -> Preset {
        self.preset
    }

    /// The number of cells in a row.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    fn place(&self, field: Field) -> Option<usize> {
        self.places.get(field.place()).copied().flatten()
    }
}

/// A row of a file, read by field.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The file's header.
    pub header: &'a Header,
    /// The row's cells, as they are in the file.
    pub cells: &'a csv::ByteRecord,
}

impl<'a> Row<'a> {
    /// The cell of a field without the spaces around it; none if it is empty or the file has no such column.
    pub fn cell(&self, field: Field) -> Result<Option<&'a str>, Rejected> {
        let Some(cell) = self.header.place(field).and_then(|place| self.cells.get(place)) else { return Ok(None) };
        let text = std::str::from_utf8(cell).map_err(|_| Rejected::NotUtf8 { column: self.column(field) })?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    }

    /// The cell of a field that must not be empty.
    pub fn need(&self, field: Field) -> Result<&'a str, Rejected> {
        self.cell(field)?.ok_or_else(|| Rejected::MissingValue { column: self.column(field) })
    }

    /// Whether the file has a column for the field.
    pub fn has(&self, field: Field) -> bool {
        self.header.place(field).is_some()
    }

    /// Whether all cells are empty.
    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim_ascii().is_empty())
    }

    /// The header of a field's column, for a message.
    pub fn column(&self, field: Field) -> String {
        let name = self.header.place(field).and_then(|place| self.header.names.get(place));
        name.map_or_else(|| field.name().to_owned(), Clone::clone)
    }
}

/// Reads `FIELD=HEADER`.
pub fn parse_column(text: &str) -> Result<(Field, String), String> {
    let (name, header) = text.split_once('=').ok_or("write FIELD=HEADER, such as order_id=invoice_no")?;
    let known = || Field::ALL.map(Field::name).join(", ");
    let field = Field::ALL.into_iter().find(|field| field.name() == name.trim());
    let field = field.ok_or_else(|| format!("`{name}` is not a field; the fields are {}", known()))?;
    match header.trim() {
        "" => Err("the header after `=` is empty".to_owned()),
        header => Ok((field, header.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str], preset: Preset, columns: &[&str]) -> Result<Header, String> {
        let columns = columns.iter().map(|text| parse_column(text).unwrap()).collect();
        let mapping = Mapping { preset, columns, has_currency: false };
        Header::read(names.iter().map(|name| (*name).to_owned()).collect(), &mapping)
    }

    #[test]
    fn every_field_has_its_own_place() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field.place(), place, "{field:?}");
        }
    }

    #[test]
    fn a_named_column_goes_before_the_preset() {
        let names = ["order_id", "member_id", "occurred_at", "total", "currency", "no"];
        let read = header(&names, Preset::Orders, &["order_id=no"]).unwrap();
        assert_eq!(read.used().next(), Some((Field::OrderId, "no")));
        assert_eq!(read.unused().collect::<Vec<_>>(), ["order_id"]);
    }

    #[test]
    fn headers_are_found_whatever_their_capitals_unless_that_is_ambiguous() {
        let names = ["Order_ID", "member_id", "occurred_at", "total", "currency", "Total"];
        let read = header(&names, Preset::Orders, &[]).unwrap();
        assert_eq!(read.column_of(Field::OrderId), "Order_ID");
        assert_eq!(read.place(Field::Total), Some(3), "written exactly so");
        let twice = ["order_id", "member_id", "occurred_at", "total", "total", "currency"];
        assert!(header(&twice, Preset::Orders, &[]).unwrap_err().contains("`total` is there twice"));
    }

    #[test]
    fn a_missing_column_is_named_beside_those_that_are_there() {
        let text = header(&["a", "b"], Preset::Invoices, &[]).unwrap_err();
        for part in ["`invoice_no`", "`customer_id`", "`a`, `b`", "--column order_id=", "--currency"] {
            assert!(text.contains(part), "{text}");
        }
        let text = header(&["Name;Email;Total"], Preset::ShopifyOrders, &[]).unwrap_err();
        assert!(text.contains("--delimiter"), "{text}");
    }

    #[test]
    fn a_column_named_by_hand_must_be_there() {
        let names = ["order_id", "member_id", "occurred_at", "total", "currency"];
        assert!(header(&names, Preset::Orders, &["tax=VAT"]).unwrap_err().contains("`VAT`"));
    }

    #[test]
    fn mappings_are_read_from_text() {
        assert_eq!(parse_column("total=Grand = total"), Ok((Field::Total, "Grand = total".to_owned())));
        assert!(parse_column("sum=x").unwrap_err().contains("order_id, member_id"));
        assert!(parse_column("total").is_err());
    }

    impl Header {
        fn column_of(&self, field: Field) -> &str {
            self.used().find(|(known, _)| *known == field).unwrap().1
        }
    }
}
