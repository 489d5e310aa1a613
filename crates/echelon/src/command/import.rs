//! `echelon import`: foreign files become events, the JSON Lines of section 9 of the semantics.
//!
//! Rows and documents are streamed. Memory is bounded per customer (returns that name no order) and by windows of
//! recent rows and orders (repeats, cancellations, the orders that the report counts). The report accounts for every row and document.

mod arrival;
mod customers;
mod documents;
mod exported;
mod input;
mod members;
mod options;
mod timeline;

use std::collections::HashMap;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use rules::calendar::{Instant, Zone};
use rules::fact::{Currency, ReceivedFact};
use rules::program::Draft;
use rules::version::{Options, Versions};
use serde_json::Value;
use shopify::Topic;

use crate::error::CommandError;
use crate::sink::{Sink, is_no_input};
use arrival::Arrivals;
use echelon::import::columns::{self, Field, Mapping};
use echelon::import::customers::Customers;
use echelon::import::keyed::Keyed;
use echelon::import::numbers::Notation;
use echelon::import::orders::{Orders, Reading};
use echelon::import::outcome::Outcome;
use echelon::import::preset::{self, Meaning, Preset};
use echelon::import::report::{Report, SourceLocation};
use echelon::import::table::{Layout, Table, TableError};
use echelon::import::time::Clock;
use echelon::import::warnings::{Against, Noted, Watch, of_columns};
use input::{Form, Opened, Progress, Source};
use members::KnownFile;
use timeline::Timeline;

/// Turns orders from other systems into events: CSV of shops and invoicing, Shopify's webhooks and its Admin API's answers.
///
/// Reads files and writes events for `echelon replay`, one JSON object per line. Every row is accounted for: it gave
/// facts, was ignored, or was rejected with its line and the reason.
#[derive(Debug, Parser)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Files to read: .csv, .json (Shopify's webhooks and the Admin API's answers), .jsonl (one to a line, or a bulk
    /// operation's lines), each also as .gz; folders of such; `-` for the standard input
    #[arg(required_unless_present_any = ["members", "customers"], value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The file for the events [default: the standard output]
    ///
    /// Events are written in order of time, once everything is read: after an error in the input the old file is still
    /// there, and nothing is on the standard output.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,

    /// The file for the report [default: the standard error]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,

    /// The form of the report
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    format: Format,

    /// The program that the events are for: the report says what counts nothing under it; of members, their tiers are of it
    /// (by id or by name in any capitals), and its time zone is that of plain days
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    program: Option<PathBuf>,

    /// Also writes a line for every row that gave no facts: file, line, outcome, reason, message
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    left_out: Option<PathBuf>,

    /// Treats the events as happening now: tiers reached are announced and rewarded
    ///
    /// Without it every fact is marked as imported, and its effects are recorded quietly, with no reward.
    #[arg(long, help_heading = "Output")]
    live: bool,

    /// Writes no events, only the report
    #[arg(long, help_heading = "Output")]
    dry_run: bool,

    /// The kind of CSV file [default: orders, or members with --members]
    #[arg(long, value_enum, help_heading = "CSV files")]
    preset: Option<KnownFile>,

    /// Names the column that holds a field; may be repeated
    ///
    /// The fields are order_id, member_id (empty: a guest), occurred_at (paid; time_of_day, if that is a column of its
    /// own), total (charged, with tax and shipping, after discounts); tax, shipping, tips, duties, discounts,
    /// gift_cards (what of it bought some), paid_with_credit (what of it was paid with gift cards or store credit),
    /// outstanding (what of it is not paid yet), currency, exchange_rate (program currency per unit), test, kind;
    /// paid_at (if occurred_at is when it was ordered); refund_of (the order that a return belongs to); refunded and
    /// refunded_at (the amount of the order in this row that was refunded, and when), cancelled_at, created_at (used if
    /// occurred_at is empty), group (rows that share it are one order, and the first has all its data). The first four
    /// are required.
    /// With --members the fields are member_id or email, points, tier, until (the last day of the tier, or an instant),
    /// birthday, enrolled_at and status.
    #[arg(long = "column", value_name = "FIELD=HEADER", value_parser = members::any_column, help_heading = "CSV files")]
    columns: Vec<String>,

    /// Says what a word in the kind column means; may be repeated
    ///
    /// A word means order (paid), return (the row gives money back), ignore (not paid, or no order), cancelled, refunded
    /// (in full, unless the row has an amount) or partly_refunded (the row must have the amount). An order that was
    /// cancelled counts nothing, even if an earlier file had it as paid; with cancelled_at it counts until then. One that a
    /// later file of the same import has as paid counts again from the time of that export.
    /// Without a kind column a negative total is a return. A return that names no order (refund_of) is matched with the
    /// customer's latest order that has enough left and is not later, among the rows before it, or else in the whole
    /// file. The latest 64 orders of each customer are remembered. Returns of guests, and those too large for any
    /// order, are rejected.
    #[arg(long = "kind", value_name = "WORD=MEANING", value_parser = preset::parse_kind, help_heading = "CSV files")]
    kinds: Vec<(String, Meaning)>,

    /// The way in which amounts are written [default: plain, or that of the preset]
    ///
    /// With point and comma, amounts may have a currency's sign or code, separators of thousands, and a minus or brackets
    /// if they are negative. A sign of another currency than the row's is an error. Discounts and refunded amounts may be
    /// negative in any case.
    #[arg(long, value_enum, help_heading = "CSV files")]
    numbers: Option<Notation>,

    /// A customer's id that means a guest, such as 0; may be repeated
    #[arg(long = "guest", value_name = "ID", help_heading = "CSV files")]
    guests: Vec<String>,

    /// The time zone of the shop's clock, for times without an offset, such as Europe/London
    ///
    /// A time that occurs twice (clocks set back) means the earlier one; a time that is skipped (clocks set forward)
    /// means the end of the gap. The invoices preset is in Europe/London.
    #[arg(long, value_name = "ZONE", value_parser = options::timezone, help_heading = "CSV files")]
    timezone: Option<Zone>,

    /// The form of the times, in strftime's letters, such as "%d/%m/%Y %H:%M" [default: 2024-05-01 10:00:00 and alike]
    #[arg(long, value_name = "FORM", value_parser = options::time_format, help_heading = "CSV files")]
    time_format: Option<String>,

    /// When the files were exported, such as 2026-06-30T08:00:00Z [default: each file's time of modification]
    ///
    /// A later export replaces an earlier one, and webhooks sent after an export replace it. Of files with the same time the
    /// one given later is the later one. The report says which time was taken. One in the future is refused.
    #[arg(long, value_name = "TIME", value_parser = crate::input::instant, help_heading = "CSV files")]
    exported_at: Option<Instant>,

    /// The currency of rows that name none, such as GBP
    #[arg(long, value_name = "CODE", value_parser = options::currency, help_heading = "CSV files")]
    currency: Option<Currency>,

    /// The character between the cells
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = options::delimiter, help_heading = "CSV files")]
    delimiter: u8,

    /// The topic of the documents, such as orders/paid [default: the name of their file or folder, or their shape]
    ///
    /// An EventBridge envelope names its topic itself. All documents in one import must be from the same shop.
    #[arg(long, value_name = "TOPIC", value_parser = options::known_topic, help_heading = "Shopify JSON")]
    topic: Option<String>,

    #[command(flatten)]
    customers: customers::CustomersArgs,

    #[command(flatten)]
    members: members::MembersArgs,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  The orders that Shopify's admin exports; members are the e-mail addresses, in small letters:
    echelon import orders_export.csv --preset shopify-orders --output events.jsonl

  The same, with customers by a column of your own:
    echelon import orders.csv --preset shopify-orders --column member_id=\"Customer ID\" -o e.jsonl

  Invoices and credit notes, with all rows that gave nothing in a file of their own:
    echelon import invoices.csv.gz --preset invoices -o e.jsonl --left-out left-out.jsonl

  A table of your own:
    echelon import sales.csv --column order_id=\"Receipt no\" --column member_id=Card \\
      --column occurred_at=When --column total=Paid --currency EUR \\
      --timezone Europe/Berlin --time-format \"%d.%m.%Y %H:%M\" -o e.jsonl

  The same, with each customer under the number that webhooks name, by Shopify's customers export:
    echelon import orders_export.csv --preset shopify-orders --customers customers_export.csv -o e.jsonl

  Points, tiers and birthdays of the members of a loyalty app; try it with --dry-run first:
    echelon import --members smile.csv --preset smile --program vip.json --tiers-until 2026-12-31 \\
      --customers customers_export.csv -o members.jsonl --left-out left-out.csv
  An export of WooCommerce, Square, Stripe, BigCommerce or Magento, checked against a program:
    echelon import orders.csv --preset woocommerce --timezone Europe/Berlin --program vip.json -o e.jsonl

  Amounts such as 1.234,50 €, a status in the shop's words, guests with the id 0:
    echelon import orders.csv --numbers comma --column kind=Status --kind bezahlt=order --kind offen=ignore \
      --kind storniert=cancelled --kind erstattet=refunded --guest 0 --timezone Europe/Berlin -o e.jsonl

  Webhooks that were kept, a folder per topic (orders_paid, refunds_create, …):
    echelon import webhooks/ -o e.jsonl

  All orders of a shop on Shopify, by a bulk operation (docs/guide/shopify-history.md has the query):
    echelon import bulk.jsonl -o e.jsonl

  Then:
    echelon replay --program program.json --events e.jsonl --as-of 2024-06-30T00:00:00Z

Shopify's export does not say when money was given back: it counts from the cancellation, or else \
from the payment. Orders that are not paid in full are ignored; import the export again when they are. \
Where webhooks follow the import, give Shopify's customers export (--customers), or take the members from a column with \
the customer's number, as webhooks name them, and import partly refunded orders as JSON: the export does not number refunds, so \
a later webhook about such an order would send its refund a second time.

The report begins with warnings: orders that credit no member, or count nothing under --program, and columns \
that are missing, spelled otherwise, or look like money and are not read.

Ids that a spreadsheet has bent are read as meant where only one can be meant (1001.0, 1001,0, 1.001.002, '1001), and rejected \
otherwise (5.32E+12, 1.000).

Rows are read one by one, so a file may be of any length; beyond some 64 MB of events they are sorted in \
temporary files. A repeated row is ignored if it says \
the same; if it differs, it is rejected in the same file, and is a later version of the order in \
another file. (All this within some 200,000 rows; further apart both rows are written, \
and the engine keeps one of them by the order's number.)

Exit codes: 0 done, 1 done but rows were rejected or pages of orders are missing, 2 the input or the options cannot be used.";

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CommandError> {
    apart(args)?;
    exported::is_not_ahead(args)?;
    if args.members.is_wanted() {
        return members::run(args);
    }
    if args.files.is_empty() && !args.customers.give_tags() {
        let what = "--customers names the customers of orders or members: give a FILE of orders, --members, or --customer-tags";
        return Err(CommandError::input(what));
    }
    let mut sources = input::sources(&args.files).map_err(CommandError::input)?;
    // The state of an order in a file says what has changed since the export before, so the files are read in that order.
    if args.exported_at.is_none() && sources.iter().all(|source| source.modified_at().is_some()) {
        sources.sort_by_key(input::Source::modified_at);
    }
    args.customers.are_not_written_over([&args.output, &args.report, &args.left_out])?;
    for written in [&args.output, &args.report, &args.left_out].into_iter().flatten() {
        is_no_input(written, sources.iter().map(Source::path).chain(args.program.as_deref()))?;
    }
    let output = events(args)?;
    let mut left_out = args.left_out.as_deref().map(Sink::file).transpose()?;
    let report_to = args.report.as_deref().map(Sink::file).transpose()?;
    let mut report = Report::default();
    let mut watch = Watch::new(args.program.as_deref().map(against).transpose()?);

    // On a terminal, the bar and the events would overwrite each other.
    let progress = Progress::over(&sources, args.output.is_some() || !stdout().is_terminal());
    let mut events = Timeline::new();
    let keyed = import_all(args, &sources, &progress, &mut report, (&mut watch, &mut events), &mut left_out)?;
    progress.finish();

    let keyed = keyed.counted(&watch);
    report.warn_first(watch.warnings());
    events.finish(output)?;
    left_out.map(Sink::finish).transpose()?;
    let text = match args.format {
        Format::Text if keyed.is_silent() => report.to_string(),
        // What is not the customer's number comes first: it decides whether the rest is worth anything.
        Format::Text => format!("{keyed}{report}"),
        Format::Json if keyed.is_silent() => report.to_json(),
        Format::Json => customers::with_members(&report, &keyed),
    };
    publish(&text, report_to)?;
    if report.has_findings() { Err(CommandError::Findings) } else { Ok(()) }
}

/// Reads every source in turn. After an error no file is left behind, because none has its name yet.
fn import_all(
    args: &Args,
    sources: &[Source],
    progress: &Progress,
    report: &mut Report,
    (watch, output): (&mut Watch, &mut Timeline),
    left_out: &mut Option<Sink>,
) -> Result<Keyed, CommandError> {
    let layout = layout(args)?;
    let mut orders = Orders::new(reading(args)?);
    let (customers, keyed) = customers::read(args, progress, report, output, left_out)?;
    let (mut shop, mut arrivals) = (None, Arrivals::default());
    for source in sources {
        let file = source.name();
        let opened = source.open(progress).map_err(CommandError::input)?;
        let exported = match opened.form {
            Form::Table => exported::of_table(args, source)?,
            Form::Document | Form::Lines => exported::of(args, source),
        };
        if opened.form == Form::Table {
            report.exported(&file, exported);
        }
        orders.next_file(exported.map(|exported| exported.at));
        let mut import = Import {
            file: &file,
            live: args.live,
            is_document: opened.form != Form::Table,
            arrivals: &mut arrivals,
            shop: &mut shop,
            report: &mut *report,
            watch: &mut *watch,
            output: &mut *output,
            left_out: left_out.as_mut(),
            customers: customers.as_ref(),
            keyed: &keyed,
            noted: Noted::default(),
        };
        match opened.form {
            Form::Table => table(opened, &layout, &mut orders, &mut import)?,
            Form::Document | Form::Lines => documents::read(opened, topic(args, source), &mut import)?,
        }
    }
    report.replaced(orders.replaced());
    report.all_read();
    Ok(keyed)
}

/// The import of one file.
struct Import<'a> {
    file: &'a str,
    live: bool,
    is_document: bool,
    arrivals: &'a mut Arrivals,
    shop: &'a mut Option<String>,
    report: &'a mut Report,
    watch: &'a mut Watch,
    output: &'a mut Timeline,
    left_out: Option<&'a mut Sink>,
    customers: Option<&'a Customers>,
    keyed: &'a Keyed,
    /// What is known of the row at hand beside its facts.
    noted: Noted,
}

impl Import<'_> {
    /// Counts an outcome and writes its facts, or the line about a row without facts.
    fn take(&mut self, place: SourceLocation, outcome: Outcome) -> Result<(), CommandError> {
        let line = match outcome {
            Outcome::Facts(facts) => return self.facts(facts),
            Outcome::Ignored(why) => self.report.ignored(self.file, place, &why),
            Outcome::Rejected(why) => self.report.rejected(self.file, place, &why),
        };
        self.left_out.as_mut().map_or(Ok(()), |left_out| left_out.line(&line))
    }

    fn facts(&mut self, mut facts: Vec<ReceivedFact>) -> Result<(), CommandError> {
        if !self.live {
            facts.iter_mut().for_each(|told| told.fact.mark_imported());
        }
        self.arrivals.at_once(&mut facts, self.live, self.live && self.is_document);
        let lines: Vec<Value> = facts.iter().map(ReceivedFact::to_json).collect();
        self.report.gave(&lines);
        self.watch.take(&facts, self.noted);
        self.output.facts(&facts, &lines)
    }

    /// Handles a document, unless it is from another shop than those before. Shops must never mix (section 3), and
    /// events do not name their shop.
    fn document(&mut self, place: SourceLocation, document: &[u8], topic: Option<&str>) -> Result<(), CommandError> {
        let (shop, outcome) = documents::shopify(document, topic);
        let outcome = match (&*self.shop, shop) {
            (Some(known), Some(other)) if *known != other => {
                let text =
                    format!("the document is of `{other}`, those before it of `{known}`; import each shop apart");
                documents::rejected("other_shop", &text)
            }
            (None, shop) => {
                *self.shop = shop;
                outcome
            }
            (Some(_), _) => outcome,
        };
        self.take(place, outcome)
    }
}

/// Reads the rows of a file, each into an outcome.
fn table(opened: Opened, layout: &Layout, orders: &mut Orders, import: &mut Import<'_>) -> Result<(), CommandError> {
    let file = import.file;
    let failed = |error: TableError| CommandError::input(format!("`{file}` {error}"));
    let mut table = Table::open(opened.reader, layout).map_err(failed)?;
    import.report.opened(file, table.header());
    while let Some((place, outcome)) = table.next(orders).map_err(failed)? {
        import.noted = Noted { nothing_paid: orders.has_nothing_paid(), named_by: None };
        let outcome = match outcome {
            Outcome::Facts(mut facts) => match import.keyed.join(&mut facts, import.customers, &table.phones()) {
                Ok(named_by) => {
                    import.noted.named_by = named_by;
                    Outcome::Facts(facts)
                }
                Err(why) => Outcome::Rejected(why),
            },
            Outcome::Ignored(_) | Outcome::Rejected(_) => outcome,
        };
        import.take(place, outcome)?;
    }
    let is_joined = import.customers.is_some();
    import.report.warn(of_columns(file, table.header(), &table.unread_money(), is_joined));
    Ok(())
}

/// The kind of the tables of orders.
fn preset(args: &Args) -> Result<Preset, CommandError> {
    match args.preset {
        None => Ok(Preset::Orders),
        Some(KnownFile::Orders(preset)) => Ok(preset),
        Some(KnownFile::Members(_)) => {
            Err(CommandError::input("--preset names a file of members; give the file with --members"))
        }
    }
}

/// A program, as it would count if it were published now.
fn against(path: &Path) -> Result<Against, CommandError> {
    let (_, Draft { program, effective_at, unclamped, .. }) = crate::input::program(path)?;
    let (currency, timezone) = (program.currency, program.timezone.clone());
    let options = Options { unclamped, ..Options::default() };
    let versions = Versions::first_with(program, Some(effective_at.unwrap_or_else(local::now)), options);
    let versions = versions.map_err(|error| CommandError::input(format!("{}: {error}", path.display())))?;
    Ok(Against { currency, timezone, start: versions.first_of_all().effective_start })
}

fn layout(args: &Args) -> Result<Layout, CommandError> {
    let columns = args.columns.iter().map(|text| columns::parse_column(text).map_err(CommandError::input));
    let columns: Vec<(Field, String)> = columns.collect::<Result<_, _>>()?;
    let mapping = Mapping { preset: preset(args)?, columns, has_currency: args.currency.is_some() };
    Ok(Layout { mapping, delimiter: args.delimiter })
}

fn reading(args: &Args) -> Result<Reading, CommandError> {
    let preset = preset(args)?;
    let known = preset.kinds().iter().map(|(word, meaning)| ((*word).to_owned(), *meaning));
    let kinds: HashMap<_, _> = known.chain(args.kinds.iter().cloned()).collect();
    let of_preset = || preset.timezone().and_then(|name| crate::zones().named(name).ok());
    let timezone = args.timezone.clone().or_else(of_preset);
    let guests = preset.guest().map(str::to_owned).into_iter().chain(args.guests.iter().cloned()).collect();
    let notation = args.numbers.unwrap_or_else(|| preset.notation());
    let clock = Clock { timezone, format: args.time_format.clone() };
    Ok(Reading { kinds, currency: args.currency, clock, notation, guests })
}

/// The topic of a source's documents: the one on the command line, or the name of the file or folder. An envelope that
/// names another topic has precedence. One that is stated says what the documents are, not that each of them announces a
/// payment: only a kept webhook does.
fn topic<'a>(args: &'a Args, source: &'a Source) -> Option<&'a str> {
    let stated = args.topic.as_deref().map(|topic| if Topic::is_payment(topic) { "orders/updated" } else { topic });
    stated.or_else(|| Topic::filed_under(source.path()))
}

/// Where the events go.
fn events(args: &Args) -> Result<Sink, CommandError> {
    if args.dry_run {
        return Ok(Sink::nowhere());
    }
    args.output.as_deref().map_or_else(|| Ok(Sink::stdout()), Sink::file)
}

fn publish(text: &str, to: Option<Sink>) -> Result<(), CommandError> {
    match to {
        Some(mut sink) => {
            sink.text(text)?;
            sink.finish()
        }
        None => {
            let _ = write!(stderr(), "{text}");
            Ok(())
        }
    }
}

/// Refuses two outputs in the same file.
fn apart(args: &Args) -> Result<(), CommandError> {
    let files = [&args.output, &args.report, &args.left_out].map(Option::as_ref);
    let [output, report, left_out] = files;
    let same = |a: Option<&PathBuf>, b| a.is_some() && a == b;
    if same(output, report) || same(output, left_out) || same(report, left_out) {
        return Err(CommandError::input("--output, --report and --left-out must name different files"));
    }
    Ok(())
}
