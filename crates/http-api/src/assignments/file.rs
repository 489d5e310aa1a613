//! Tiers assigned to many members from a file. Every row is reported, and a dry run changes nothing.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use rules::calendar::{Day, Instant, Zone};
use rules::fact::Fact;
use rules::id::{AssignmentId, MemberId};
use rules::version::Versions;
use serde::de::IntoDeserializer;
use serde::de::value::Error as NoDay;
use serde::{Deserialize, Serialize};
use store::shop::ShopId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Assign, Binding, Reason, assigned, is_to_come};
use crate::Api;
use crate::caller::{Authorized, Write};
use crate::extract::{Query, Raw, idempotency_key};
use crate::facts::{Became, made_key};
use crate::problem::{Place, Problem, ProblemCode};

/// The maximum number of assignments in a file. More would not be done before the caller times out.
const ROWS_MAX: usize = 2_000;
/// The number of assignments that are written at a time.
const TOGETHER: usize = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(file))
}

/// The mode of a request.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct How {
    /// Reports the outcome that every row would have, and changes nothing.
    #[serde(default)]
    dry_run: bool,
    /// Takes the assignments in as imported: nothing is announced, and no entry reward is given, whatever `reward` says.
    #[serde(default)]
    quiet: bool,
}

/// The result of a file of assignments.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileReport {
    /// Whether this was a dry run.
    dry_run: bool,
    /// The number of rows without a problem.
    well: usize,
    /// The number of rows with a problem.
    wrong: usize,
    /// Every row, in order.
    rows: Vec<RowReport>,
}

/// The result of a row.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowReport {
    /// The line in the file; the header is line 1.
    line: u64,
    /// The member that the row names.
    member_id: Option<String>,
    /// The outcome of the row, or in a dry run the outcome that it would have.
    status: RowBecame,
    /// Everything that is wrong with the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Place>,
}

/// The outcome of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowBecame {
    /// The tier is assigned; in a dry run, it would be.
    Assigned,
    /// The same was sent before under the same key.
    Duplicate,
    /// The row is wrong, and was skipped.
    Invalid,
    /// The assignment was not made for now: send the file again under the same key.
    Failed,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvRow {
    member_id: String,
    tier: String,
    mode: Binding,
    #[serde(default)]
    until: Option<String>,
    reason: String,
    #[serde(default)]
    reward: Option<String>,
}

/// Assigns tiers from a file
///
/// The file is CSV with a header: `member_id,tier,mode,reason`, and optionally `until` and `reward` (`true` or `false`).
/// `tier` is a tier's id, or its id or name in any capitals; an empty one means none. `until` is an instant (RFC 3339), or
/// a day: the tier is then held through the end of that day in the program's time zone. With `quiet=true` nothing is
/// announced or rewarded, as for members who are moved from another system. Wrong rows are skipped, and every row is
/// reported. Try it with `dry_run=true` first. Under an `Idempotency-Key` the same file is applied once, however often it
/// is sent. A file has up to 2,000 rows.
#[utoipa::path(
    post, path = "/v1/assignments", tag = "Assignments", operation_id = "assign_from_file",
    params(How, ("Idempotency-Key" = Option<String>, Header, description = "A request sent again under the same key has no second effect", min_length = 1, max_length = 255)),
    request_body(content = String, content_type = "text/csv", description = "The file"),
    responses((status = 200, body = FileReport), (status = 422, description = "The file has no rows, or too many, or another header", body = Problem)),
    security(("bearer" = ["echelon/write"]))
)]
async fn file(
    State(api): State<Api>,
    Authorized { shop, by, .. }: Authorized<Write>,
    Query(How { dry_run, quiet }): Query<How>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Json<FileReport>, Problem> {
    let versions = api.versions(&shop).await?;
    let key = idempotency_key(&headers)?.unwrap_or_else(|| Uuid::now_v7().to_string());
    let mut rows = read_file(&body, |line, row| read_row(&versions, &shop, &key, line, row, api.clock.now()))?;
    let author = Author { by: &by, quiet };
    if dry_run {
        for (report, wanted) in &mut rows {
            let Some(wanted) = wanted else { continue };
            if let Err(problem) = is_to_come(author.assigns(wanted, api.clock.now())) {
                report.fail(RowBecame::Invalid, problem.detail);
            }
        }
    } else {
        for some in rows.chunks_mut(TOGETHER) {
            api.assign_some(&shop, &versions, author, some).await;
        }
    }
    let rows: Vec<RowReport> = rows.into_iter().map(|(report, _)| report).collect();
    let wrong = rows.iter().filter(|row| matches!(row.status, RowBecame::Invalid | RowBecame::Failed)).count();
    Ok(Json(FileReport { dry_run, well: rows.len() - wrong, wrong, rows }))
}

/// A valid row: the assignment, and the key under which it is made.
type Wanted = (AssignmentId, MemberId, Assign);

/// The author of a file's assignments, and whether they are made quietly.
#[derive(Debug, Clone, Copy)]
struct Author<'a> {
    by: &'a str,
    quiet: bool,
}

impl Author<'_> {
    fn assigns(self, (id, member, wanted): &Wanted, at: Instant) -> Fact {
        let mut fact = assigned(id, member, wanted, self.by, at);
        if self.quiet {
            fact.mark_imported();
        }
        fact
    }
}

impl Api {
    async fn assign_some(
        &self,
        shop: &ShopId,
        versions: &Versions,
        author: Author<'_>,
        some: &mut [(RowReport, Option<Wanted>)],
    ) {
        let (mut facts, mut whose) = (Vec::new(), Vec::new());
        for (place, (report, wanted)) in some.iter_mut().enumerate() {
            let Some(wanted) = wanted else { continue };
            match self.once(shop, &wanted.0, |at| author.assigns(wanted, at)).await {
                Ok((_, Some(fact))) => {
                    facts.push(fact);
                    whose.push(place);
                }
                Ok((_, None)) => report.status = RowBecame::Duplicate,
                Err(problem) => report
                    .fail(if problem.status < 500 { RowBecame::Invalid } else { RowBecame::Failed }, problem.detail),
            }
        }
        let results = self.take(shop, versions, facts).await;
        for (place, result) in whose.into_iter().zip(results) {
            let Some((report, _)) = some.get_mut(place) else { continue };
            match result.status {
                Became::Applied | Became::Superseded => {}
                Became::Duplicate => report.status = RowBecame::Duplicate,
                Became::MemberErased => report.fail(RowBecame::Invalid, "the member was erased"),
                Became::Invalid | Became::Refused => report.fail(RowBecame::Invalid, result.detail.unwrap_or_default()),
                Became::Failed => report.fail(RowBecame::Failed, result.detail.unwrap_or_default()),
            }
        }
    }
}

impl RowReport {
    fn fail(&mut self, status: RowBecame, why: impl Into<String>) {
        self.status = status;
        self.problems.push(Place { path: format!("line {}", self.line), message: why.into() });
    }
}

fn read_file<T>(
    body: &[u8],
    mut read: impl FnMut(u64, Result<CsvRow, csv::Error>) -> (RowReport, Option<T>),
) -> Result<Vec<(RowReport, Option<T>)>, Problem> {
    let wrong = |detail: String, path: &str| {
        let remedy = "send a header `member_id,tier,mode,reason`, also `until` and `reward`, and 1 to 2,000 rows";
        Problem::new(ProblemCode::ValidationFailed, detail.clone(), remedy).at(path, detail)
    };
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut file = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let header = file.headers().map_err(|error| wrong(error.to_string(), "line 1"))?.clone();
    let known = ["member_id", "tier", "mode", "reason", "until", "reward"];
    if let Some(missing) = known.iter().take(4).find(|name| !header.iter().any(|column| column == **name)) {
        return Err(wrong(format!("there is no column `{missing}`"), "line 1"));
    }
    if let Some(other) = header.iter().find(|column| !known.contains(column)) {
        return Err(wrong(format!("unknown column `{other}`"), "line 1"));
    }
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        // With lines that end in CR and LF, the reader's position is between the two.
        let stands = file.position();
        let ends = usize::try_from(stands.byte()).ok().and_then(|at| body.get(at)) == Some(&b'\n');
        let line = (stands.line() + u64::from(ends)).max(2);
        let row = match file.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => record.deserialize(Some(&header)),
            Err(error) => Err(error),
        };
        if rows.len() == ROWS_MAX {
            return Err(wrong(format!("there are more than {ROWS_MAX} rows"), &format!("line {line}")));
        }
        rows.push(read(line, row));
    }
    if rows.is_empty() { Err(wrong("there are no rows".to_owned(), "line 2")) } else { Ok(rows) }
}

fn read_row(
    versions: &Versions,
    shop: &ShopId,
    key: &str,
    line: u64,
    row: Result<CsvRow, csv::Error>,
    now: Instant,
) -> (RowReport, Option<Wanted>) {
    let mut report = RowReport { line, member_id: None, status: RowBecame::Assigned, problems: Vec::new() };
    let row = match row {
        Ok(row) => row,
        Err(error) => {
            report.fail(RowBecame::Invalid, error.to_string());
            return (report, None);
        }
    };
    report.member_id = Some(row.member_id.clone());
    let CsvRow { member_id, tier, mode, until, reason, reward } = row;
    let member = MemberId::new(&member_id).map_err(|error| format!("member_id: {error}"));
    let program = &versions.in_force(now).program;
    let named = |tier: &str| program.tier_named(tier).map(|tier| Some(tier.id.clone()));
    let tier = if tier.is_empty() { Ok(None) } else { named(&tier).map_err(|error| format!("tier: {error}")) };
    let until = until.filter(|text| !text.is_empty()).map(|text| end(&text, &program.timezone)).transpose();
    let until = until.map_err(|error| format!("until: {error}"));
    let reward = match reward.as_deref() {
        None | Some("" | "true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(format!("reward: `{other}` is neither `true` nor `false`")),
    };
    let reason = Reason::try_from(reason).map_err(|error| format!("reason: {error}"));
    let number = usize::try_from(line).unwrap_or(usize::MAX);
    let id = AssignmentId::new(&made_key(shop, key, number)).map_err(|error| error.to_string());
    match (id, member, tier, until, reward, reason) {
        (Ok(id), Ok(member), Ok(tier), Ok(until), Ok(reward), Ok(reason)) => {
            (report, Some((id, member, Assign { tier, mode, until, reason, reward })))
        }
        (id, member, tier, until, reward, reason) => {
            let wrong = [id.err(), member.err(), tier.err(), until.err(), reward.err(), reason.err()];
            wrong.into_iter().flatten().for_each(|why| report.fail(RowBecame::Invalid, why));
            (report, None)
        }
    }
}

/// Reads an instant, or a day as its end in a zone.
fn end(text: &str, zone: &Zone) -> Result<Instant, String> {
    let day: Result<Day, NoDay> = Day::deserialize(text.into_deserializer());
    if let (10, Ok(day)) = (text.len(), day) {
        let far = || format!("`{text}` ends after the year 9999: leave it empty for a tier without an end");
        return zone.end_of(day).ok_or_else(far);
    }
    Instant::parse(text).map_err(|_| {
        format!("`{text}` is neither an instant such as 2027-01-01T00:00:00Z nor a day such as 2026-12-31")
    })
}
