//! `echelon import --members`: the members of a loyalty app, quietly.

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use rules::calendar::Instant;
use rules::fact::{Fact, ReceivedFact};
use rules::id::TierId;
use rules::program::Program;
use serde_json::Value;

use super::input::{self, Form, Progress, Source};
use super::{Args, Format, events, exported, publish};
use crate::error::CommandError;
use crate::input as files;
use crate::sink::{Sink, is_no_input};
use echelon::import::columns as orders;
use echelon::import::customers::Customers;
use echelon::import::members::columns::{self, Field, Header, Mapping};
use echelon::import::members::dates::DayOrder;
use echelon::import::members::report::{Report, RowLeftOut};
use echelon::import::members::{self, Members, Reading, Status, TiersUntil};
use echelon::import::preset;
use echelon::import::rows::Rows;

/// The members of another loyalty system.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Members")]
pub struct MembersArgs {
    /// The customers that a loyalty app exports: points, tiers, birthdays and enrolment; may be repeated
    ///
    /// All of it is marked as imported: nothing is announced or rewarded. A file read twice changes nothing, and a later
    /// export replaces an earlier one.
    #[arg(long = "members", value_name = "FILE",
          conflicts_with_all = ["files", "kinds", "currency", "live", "time_format", "topic", "customer_tags"])]
    members: Vec<PathBuf>,

    /// Says which tier of the program a name in the file means, or that it means none (`NAME=`); may be repeated
    #[arg(long = "tier", value_name = "NAME=ID", value_parser = parse_tier, requires = "members")]
    tiers: Vec<(String, Option<TierId>)>,

    /// Until when a tier is held where the file does not say: its last day, an instant, or `never` for without end
    #[arg(long, value_name = "DAY", requires = "members")]
    tiers_until: Option<String>,

    /// Reads 05/06 as June 5
    #[arg(long, requires = "members", conflicts_with = "month_first")]
    day_first: bool,

    /// Reads 05/06 as May 6
    #[arg(long, requires = "members")]
    month_first: bool,

    /// Says what a word in the status column means: member, guest (not enrolled) or ignore; may be repeated
    #[arg(long = "status", value_name = "WORD=MEANING", value_parser = members::parse_status, requires = "members")]
    statuses: Vec<(String, Status)>,

    /// Leaves out a field that the file has, such as points; may be repeated
    #[arg(long, value_name = "FIELD", value_parser = Field::named, requires = "members")]
    without: Vec<Field>,
}

impl MembersArgs {
    /// Whether members are to be imported.
    pub fn is_wanted(&self) -> bool {
        !self.members.is_empty()
    }
}

/// A known kind of CSV file: of orders, or of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownFile {
    /// Orders.
    Orders(preset::Preset),
    /// Members.
    Members(columns::Preset),
}

impl ValueEnum for KnownFile {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: OnceLock<Vec<KnownFile>> = OnceLock::new();
        ALL.get_or_init(|| {
            let orders = preset::Preset::value_variants().iter().map(|preset| Self::Orders(*preset));
            orders.chain(columns::Preset::value_variants().iter().map(|preset| Self::Members(*preset))).collect()
        })
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Orders(preset) => preset.to_possible_value(),
            Self::Members(preset) => preset.to_possible_value(),
        }
    }
}

/// Checks `FIELD=HEADER`, for a field of orders or of members.
pub fn any_column(text: &str) -> Result<String, String> {
    let of_orders = orders::parse_column(text).map(|_| text.to_owned());
    of_orders.or_else(|why| {
        columns::parse_column(text).map(|_| text.to_owned()).map_err(|_| {
            let fields = Field::ALL.map(Field::name).join(", ");
            if why.contains("is not a field") { format!("{why}; of members {fields}") } else { why }
        })
    })
}

fn parse_tier(text: &str) -> Result<(String, Option<TierId>), String> {
    let (name, id) = text.rsplit_once('=').ok_or("write NAME=ID, such as \"VIP Gold=gold\", or NAME= for no tier")?;
    let id = match id.trim() {
        "" => None,
        id => Some(TierId::new(id).map_err(|why| why.to_string())?),
    };
    Ok((name.trim().to_lowercase(), id))
}

/// Runs the command on files of members.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let sources = input::sources(&args.members.members).map_err(CommandError::input)?;
    let outputs = [&args.output, &args.report, &args.left_out];
    args.customers.are_not_written_over(outputs)?;
    let program = args.program.as_deref();
    for written in outputs.into_iter().flatten() {
        is_no_input(written, sources.iter().map(Source::path).chain(program))?;
    }
    let mapping = mapping(args)?;
    let progress = Progress::over(&sources, args.output.is_some());
    // A customers export that cannot be read in full might miss the number of any member.
    let customers = args.customers.each(args, &progress, |file, line, row| match row {
        Ok(_) => Ok(()),
        Err(why) => Err(CommandError::input(format!("`{file}` line {line}: {why}"))),
    })?;
    let mut import = Import {
        output: events(args)?,
        left_out: args.left_out.as_deref().map(List::open).transpose()?,
        report: Report::new(args.dry_run),
        members: Members::new(reading(args, &mapping, customers)?, Instant::from_millis(0)),
    };
    let report_to = args.report.as_deref().map(Sink::file).transpose()?;
    for source in &sources {
        import.file(args, source, &mapping, &progress)?;
    }
    progress.finish();
    let Import { output, left_out, report, members: _ } = import;
    output.finish()?;
    left_out.map(|list| list.sink.finish()).transpose()?;
    let text = match args.format {
        Format::Text => report.to_string(),
        Format::Json => report.to_json(),
    };
    publish(&text, report_to)?;
    if report.has_findings() { Err(CommandError::Findings) } else { Ok(()) }
}

struct Import {
    output: Sink,
    left_out: Option<List>,
    report: Report,
    members: Members,
}

impl Import {
    fn file(
        &mut self,
        args: &Args,
        source: &Source,
        mapping: &Mapping,
        progress: &Progress,
    ) -> Result<(), CommandError> {
        let file = source.name();
        let failed = |error: String| CommandError::input(format!("`{file}` {error}"));
        let exported = exported::of_table(args, source)?
            .ok_or_else(|| failed("does not say when it was exported; say it with --exported-at".to_owned()))?;
        let opened = source.open(progress).map_err(CommandError::input)?;
        if opened.form != Form::Table {
            return Err(failed("is JSON; --members takes CSV".to_owned()));
        }
        let mut rows = Rows::open(opened.reader, args.delimiter).map_err(|error| failed(error.to_string()))?;
        let header = Header::read(&rows, mapping).map_err(failed)?;
        if header.has(Field::Tier) {
            tiers_can_be_read(args, &header).map_err(failed)?;
        }
        self.report.opened(&file, &header);
        self.report.exported(&file, exported);
        self.members.next_file(exported.at);
        while let Some(line) = rows.next_row().map_err(|error| failed(error.to_string()))? {
            match self.members.read(&header, rows.cells()) {
                Ok(taken) => {
                    let told = taken.facts.iter().cloned().map(|fact: Fact| ReceivedFact::of(fact).to_json());
                    let lines: Vec<Value> = told.collect();
                    self.report.gave(&taken, &lines);
                    lines.iter().try_for_each(|line| self.output.line(line))?;
                }
                Err(why) => {
                    let row = self.report.left_out(&file, line, &why);
                    self.left_out.as_mut().map_or(Ok(()), |list| list.row(&row))?;
                }
            }
        }
        Ok(())
    }
}

/// Refuses at once what every row with a tier would be rejected for.
fn tiers_can_be_read(args: &Args, header: &Header) -> Result<(), String> {
    let column = header.column(Field::Tier);
    if args.program.is_none() && args.members.tiers.is_empty() {
        return Err(format!(
            "has tiers in the column `{column}`; give the program that has them with --program FILE, or leave them out \
             with --without tier"
        ));
    }
    if !header.has(Field::Until) && args.members.tiers_until.is_none() {
        return Err(format!(
            "has tiers in the column `{column}`, and no column says until when they are held; name it with --column \
             until=…, or say it for all rows with --tiers-until 2026-12-31 or --tiers-until never"
        ));
    }
    Ok(())
}

/// The list of rows that gave no facts: CSV if its name ends so, or else a line of JSON each.
struct List {
    sink: Sink,
    is_csv: bool,
}

impl List {
    fn open(path: &std::path::Path) -> Result<Self, CommandError> {
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let mut sink = Sink::file(path)?;
        if is_csv {
            sink.text(&RowLeftOut::csv_header())?;
        }
        Ok(Self { sink, is_csv })
    }

    fn row(&mut self, row: &RowLeftOut) -> Result<(), CommandError> {
        if self.is_csv { self.sink.text(&row.to_csv()) } else { self.sink.line(&row.to_json()) }
    }
}

fn mapping(args: &Args) -> Result<Mapping, CommandError> {
    let preset = match args.preset {
        None => columns::Preset::Members,
        Some(KnownFile::Members(preset)) => preset,
        Some(KnownFile::Orders(_)) => {
            return Err(CommandError::input("--preset names a file of orders; with --members write smile, or members"));
        }
    };
    let columns = args.columns.iter().map(|text| columns::parse_column(text).map_err(CommandError::input));
    Ok(Mapping { preset, columns: columns.collect::<Result<_, _>>()?, without: args.members.without.clone() })
}

fn reading(args: &Args, mapping: &Mapping, customers: Option<Customers>) -> Result<Reading, CommandError> {
    let MembersArgs { tiers, tiers_until, day_first, month_first, statuses, members: _, without: _ } = &args.members;
    let program: Option<Program> =
        args.program.as_deref().map(files::program).transpose()?.map(|(_, draft)| draft.program);
    for id in tiers.iter().filter_map(|(_, id)| id.as_ref()) {
        let unknown = |program: &&Program| program.rank(id).is_none();
        if let Some(program) = program.as_ref().filter(unknown) {
            let there: Vec<&str> = program.tiers().map(|(_, tier)| tier.id.as_str()).collect();
            let there = there.join(", ");
            return Err(CommandError::input(format!("--tier: the program has no tier `{id}`; name one of: {there}")));
        }
    }
    let zone = args.timezone.clone().or_else(|| program.as_ref().map(|program| program.timezone.clone()));
    let tiers_until = tiers_until.as_deref().map(|text| until(text, zone.as_ref())).transpose()?;
    let day_order = match (day_first, month_first) {
        (true, _) => Some(DayOrder::DayFirst),
        (false, true) => Some(DayOrder::MonthFirst),
        (false, false) => None,
    };
    Ok(Reading {
        preset: mapping.preset,
        program,
        zone,
        tiers: tiers.iter().cloned().collect(),
        tiers_until,
        day_order,
        statuses: statuses.iter().cloned().collect(),
        customers,
    })
}

/// Reads `never`, a day (its end in the zone) or an instant.
fn until(text: &str, zone: Option<&rules::calendar::Zone>) -> Result<TiersUntil, CommandError> {
    if text == "never" {
        return Ok(TiersUntil::Never);
    }
    let wrong = |what: String| CommandError::input(format!("--tiers-until: {what}"));
    let read = members::dates::when(text, None, zone);
    let when =
        read.map_err(|_| wrong(format!("`{text}` is neither `never` nor a day such as 2026-12-31 nor an instant")))?;
    let utc = rules::calendar::Zone::utc();
    match (when, zone) {
        (members::dates::When::Day(_), None) => {
            Err(wrong("say in which time zone the day ends with --program or --timezone".to_owned()))
        }
        (when, zone) => {
            let end = when.end(zone.unwrap_or(&utc));
            let far = || wrong("is after the year 9999: write `never` for tiers without an end".to_owned());
            Ok(TiersUntil::At(end.ok_or_else(far)?))
        }
    }
}
