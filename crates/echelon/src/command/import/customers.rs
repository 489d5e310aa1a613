//! `--customers`: Shopify's customers export, by which orders and members get the customer's number.

use std::path::PathBuf;

use echelon::import::customers::{Customer, Customers, CustomersFile};
use echelon::import::keyed::Keyed;
use echelon::import::outcome::Why;
use echelon::import::preset::Preset;
use echelon::import::report::{Report, SourceLocation};
use rules::calendar::Instant;
use rules::fact::{Fact, ReceivedFact};
use serde_json::{Value, json};

use super::input::{self, Progress};
use super::timeline::Timeline;
use super::{Args, exported, preset};
use crate::error::CommandError;
use crate::sink::{Sink, is_no_input};

/// The customers of the shop.
#[derive(Debug, clap::Args)]
pub struct CustomersArgs {
    /// Shopify's customers export: gives orders and members the customer's number, as webhooks name it; may be repeated
    ///
    /// An order whose e-mail address (in any capitals), or else whose phone number, belongs to exactly one customer is
    /// that customer's. One that belongs to several is rejected, not guessed.
    #[arg(long = "customers", value_name = "FILE", help_heading = "Customers")]
    customers: Vec<PathBuf>,

    /// Also gives the tags of the customers in --customers, as customer.tags_set
    #[arg(long, requires = "customers", help_heading = "Customers")]
    customer_tags: bool,
}

impl CustomersArgs {
    /// Refuses outputs that would take the place of a customers export.
    pub fn are_not_written_over(&self, outputs: [&Option<PathBuf>; 3]) -> Result<(), CommandError> {
        let written = outputs.into_iter().flatten();
        written.into_iter().try_for_each(|written| is_no_input(written, self.customers.iter().map(PathBuf::as_path)))
    }

    /// Whether the export is given.
    pub fn are_given(&self) -> bool {
        !self.customers.is_empty()
    }

    /// Whether the customers' tags are wanted.
    pub fn give_tags(&self) -> bool {
        self.customer_tags
    }

    /// Reads the customers, and hands over each with the instant of the export, and each row that cannot be used.
    pub fn each(
        &self,
        args: &Args,
        progress: &Progress,
        mut with: impl FnMut(&str, u64, Result<(Customer, Option<Instant>), String>) -> Result<(), CommandError>,
    ) -> Result<Option<Customers>, CommandError> {
        if !self.are_given() {
            return Ok(None);
        }
        let mut customers = Customers::default();
        for source in input::sources(&self.customers).map_err(CommandError::input)? {
            let file = source.name();
            let failed = |error: String| CommandError::input(format!("`{file}` {error}"));
            let opened = source.open(progress).map_err(CommandError::input)?;
            let mut rows = CustomersFile::open(opened.reader, args.delimiter).map_err(failed)?;
            if self.customer_tags && !rows.has_tags() {
                return Err(failed(
                    "lacks `Tags`; leave --customer-tags out, or export the customers again".to_owned(),
                ));
            }
            let exported = if self.customer_tags { exported::of_table(args, &source)? } else { None };
            let exported_at = exported.map(|exported| exported.at);
            while let Some((line, row)) = rows.next_into(&mut customers).map_err(|error| failed(error.to_string()))? {
                with(&file, line, row.map(|customer| (customer, exported_at)).map_err(|why| why.to_string()))?;
            }
        }
        Ok(Some(customers))
    }

    /// The customer's tags, if they are wanted.
    pub fn tags(&self, customer: Customer, exported_at: Option<Instant>) -> Result<Option<Fact>, CommandError> {
        if !self.customer_tags {
            return Ok(None);
        }
        let at = exported_at
            .ok_or_else(|| CommandError::input("say when the customers were exported with --exported-at"))?;
        Ok(Some(customer.tags_set(at)))
    }
}

/// Reads the customers for an import of orders. Their tags are written before the orders.
pub fn read(
    args: &Args,
    progress: &Progress,
    report: &mut Report,
    output: &mut Timeline,
    left_out: &mut Option<Sink>,
) -> Result<(Option<Customers>, Keyed), CommandError> {
    if args.customers.give_tags() {
        for source in input::sources(&args.customers.customers).map_err(CommandError::input)? {
            report.exported(&source.name(), exported::of_table(args, &source)?);
        }
    }
    let by_hand = args.columns.iter().any(|column| column.trim_start().starts_with("member_id"));
    let are_addresses = preset(args)? == Preset::ShopifyOrders && !by_hand;
    let customers = args.customers.each(args, progress, |file, line, row| match row {
        Ok((customer, at)) => {
            let Some(mut fact) = args.customers.tags(customer, at)? else { return Ok(()) };
            if !args.live {
                fact.mark_imported();
            }
            let line = ReceivedFact::of(fact).to_json();
            report.gave(std::slice::from_ref(&line));
            output.line(&line)
        }
        Err(text) => {
            let why = Why::new("bad_customer", &text);
            let line = report.rejected(file, SourceLocation::Line(line), &why);
            left_out.as_mut().map_or(Ok(()), |left_out| left_out.line(&line))
        }
    })?;
    Ok((customers, Keyed::new(args.customers.are_given(), are_addresses)))
}

/// The report as JSON, with the counts of orders by what names their member under `members`.
pub fn with_members(report: &Report, keyed: &Keyed) -> String {
    let mut all = json!(report);
    if let Value::Object(fields) = &mut all {
        fields.insert("members".to_owned(), keyed.to_json());
    }
    format!("{all:#}\n")
}
