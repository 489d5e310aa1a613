//! Shapes of what other crates tell, for the document alone: what is told is theirs, and a test holds every answer against
//! the document.
#![expect(dead_code, reason = "nobody makes one: they say how others look as JSON")]

use serde::Deserialize;
use utoipa::ToSchema;

/// The id of something of the shop's: at most 256 bytes of UTF-8, no control characters, not only spaces.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$")]
pub(crate) struct Id(String);

/// The id of a customer in a path: as it is, percent-encoded; or, wherever it has a slash or begins with `~`, as `~` and its
/// UTF-8 in base64url without padding: `gid://shopify/Customer/7` is `~Z2lkOi8vc2hvcGlmeS9DdXN0b21lci83`. That form is safe
/// everywhere: API Gateway hands over paths decoded, so that an encoded slash is a slash behind it.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 256, pattern = "^[^~/\\x00-\\x1f\\x7f-\\x9f\\s][^/\\x00-\\x1f\\x7f-\\x9f]*$")]
pub(crate) struct PathId(String);

/// By what a quarantined message is known.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z-]+$", examples("4b227777d4dd1fc61c6f884f48641d02"))]
pub(crate) struct QuarantineId(String);

/// Why something can never be taken in as it is.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QuarantineReason {
    NotAnEvent,
    UnknownSource,
    UnknownShop,
    UnknownTopic,
    Invalid,
    FromTheFuture,
    MergeNotSupported,
    OversizeStub,
    MixedCurrencies,
    NoInstant,
    TooLarge,
}

/// A quarantined message.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuarantineRow {
    /// By what it is known.
    id: QuarantineId,
    /// Whose it is, if it says.
    shop: Option<String>,
    /// When it was quarantined.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// Why, in a word; there may be others than are known here, of an earlier or a later release.
    #[schema(examples("unknown_shop"))]
    reason: String,
    /// What to do about it.
    remedy: String,
    /// Its topic or type, if it is one that is known.
    topic: Option<String>,
    /// The fields with problems.
    paths: Vec<String>,
    /// How long its body is, in bytes.
    bytes: u64,
}

/// A version of the program, as it was published.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    /// Its number.
    version: u32,
    /// How it stands: `past`, `in_force`, `pending` or `withdrawn`.
    state: VersionState,
    /// From when it is in force, unless it was withdrawn.
    #[schema(format = DateTime)]
    effective_at: String,
    /// When it was published.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// By whom.
    by: String,
    /// Why.
    why: String,
    /// Who withdrew or replaced it before it took effect, and when.
    withdrawn: Option<WithdrawnBy>,
    /// What was said besides.
    #[schema(value_type = Object)]
    options: (),
    /// The program, as in section 3 of the semantics.
    #[schema(value_type = Object)]
    program: (),
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VersionState {
    Past,
    InForce,
    Pending,
    Withdrawn,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WithdrawnBy {
    /// By whom.
    by: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

/// All versions ever published, the oldest first.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Versions {
    /// The shop.
    shop: String,
    /// The versions.
    programs: Vec<Version>,
}

/// A program that is to be in force: either `program`, or `version` for the program of an earlier version.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The program, as in section 3 of the semantics.
    #[schema(value_type = Option<Object>)]
    program: Option<()>,
    /// Or the number of an earlier version, to roll back to.
    #[schema(minimum = 1)]
    version: Option<u32>,
    /// What the publisher says besides: `rewards`, `notify`, `demotions` (`apply` or `hold`), `while_active`.
    #[schema(value_type = Option<Object>)]
    options: Option<()>,
    /// From when on; as soon as may be, if none is named.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// Who wants it; the token's name, if nobody is named.
    by: Option<String>,
    /// Why: kept with the version.
    #[schema(default = "", required = false)]
    why: String,
}

/// Something that a change does to members, and that its publisher should know before.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advice {
    /// The field that it is about.
    path: String,
    /// A sentence for people.
    message: String,
    /// Whether it wipes progress or takes tiers.
    loud: bool,
}

/// What became of a program that was to be in force.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Published {
    /// The shop.
    shop: String,
    /// The number of the version.
    version: u32,
    /// Whether it is new. Otherwise the newest version was the same already.
    published: bool,
    /// From when it is in force.
    #[schema(format = DateTime)]
    effective_at: String,
    /// The version that waited until now, and never takes effect.
    replaces: Option<u32>,
    /// What it does to members.
    warnings: Vec<Advice>,
}

/// What publishing would do.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Previewed {
    /// The shop.
    shop: String,
    /// The number that the version would have.
    version: u32,
    /// From when it would be in force.
    #[schema(format = DateTime)]
    effective_at: String,
    /// The version that waits until now, and would never take effect.
    replaces: Option<u32>,
    /// What it would do, told by the rules alone.
    warnings: Vec<Advice>,
    /// What it would do, member by member, added up: `members`, `moves` (entered, upgraded, retained, downgraded, left, without_tier),
    /// `held`, `ways` from tier to tier with samples, `rewards` due by tier and what they cost, `birthdays`, how `validity`
    /// changes, and whose progress is `wiped`.
    #[schema(value_type = Object)]
    preview: (),
    /// How many members do not read, and are not counted.
    unreadable: u64,
    /// The same for people.
    picture: String,
    /// Which of the 256 equal parts of the members comes next, if the time was not enough for all.
    #[schema(minimum = 1, maximum = 255)]
    next_part: Option<u16>,
    /// Everybody whose tier would change, if that was asked for.
    #[schema(value_type = Option<Vec<Object>>)]
    changes: Option<()>,
}

/// The latest jobs, the latest boundary first.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jobs {
    /// The jobs.
    jobs: Vec<Job>,
}

/// A job: everybody of a shop is brought past a midnight or a change of rules.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    /// The shop.
    shop: String,
    /// Its name: the boundary, and its kind.
    #[schema(examples("2027-01-01T05:00:00.000Z-rollover"))]
    id: String,
    /// How it stands.
    state: JobState,
    /// When it was opened.
    #[schema(format = DateTime)]
    opened_at: String,
    /// When work may begin: when no writer is left who could have missed the boundary.
    #[schema(format = DateTime)]
    starts_at: String,
    /// When the last segment was done, or somebody ended it.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// In how many segments the shop's members are divided.
    segments: u16,
    /// What came of it, once it has ended: the same as `so_far`.
    #[schema(value_type = Option<Object>)]
    tally: Option<()>,
    /// Of a midnight, since when it counts who moved.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Of a midnight, the local day that begins at it.
    #[schema(format = Date, examples("2027-01-01"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    /// The releases of the IANA time zone database that it was opened and ended under: mostly one.
    #[schema(examples(json!(["2026f"])))]
    #[serde(skip_serializing_if = "Option::is_none")]
    zones: Option<Vec<String>>,
    /// The lists of members that it writes: until when they can be read.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    lists: Option<()>,
    /// What was counted so far: `members`, `retained`, `without`, `entered`, `upgraded`, `downgraded`, `left`, `renewed`, `held`, `moves` from
    /// tier to tier, `rewards`, `birthdays`, `notices`, `written`, `unreadable`.
    #[schema(value_type = Object)]
    so_far: (),
    /// Of 256 equal parts of the members, how many are done.
    #[schema(minimum = 0, maximum = 256)]
    parts_done: u16,
    /// When it is likely to be done.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    Running,
    Paused,
    Cancelled,
    Superseded,
    Done,
}

/// What is to be done with a job.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobOrder {
    /// Stop after the pages under way, until it is resumed.
    Pause,
    /// Go on.
    Resume,
    /// End it.
    Cancel,
}

/// Members of a list, as one sweep found them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListPage {
    /// Everybody as of this instant.
    #[schema(format = DateTime)]
    as_of: String,
    /// The sweep that found it.
    job: String,
    /// The version of the program in force at that instant.
    version: u32,
    /// The members.
    entries: Vec<ListEntry>,
    /// The cursor of the next page, or null at the end.
    next: Option<String>,
}

/// A member on a list.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListEntry {
    /// Who.
    member_id: String,
    /// The tier held.
    tier: Option<String>,
    /// When it ends if nothing more happens, exclusive.
    #[schema(format = DateTime)]
    valid_until: Option<String>,
    /// The tier that its end would bring.
    upcoming: Option<String>,
    /// The next tier above, and what is missing to it.
    next: Option<ListNext>,
    /// What keeps the earned tier.
    requalify: Option<ListKeep>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListNext {
    /// The tier.
    tier: String,
    /// What is missing to it.
    remaining: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListKeep {
    /// What is missing, 0 if it is kept already.
    remaining: String,
    /// By when.
    #[schema(format = DateTime)]
    by: String,
}

/// What a sweep found of everybody.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Insight {
    /// The sweep.
    job: String,
    /// Everybody as of this instant, under the version in force then.
    #[schema(format = DateTime)]
    as_of: String,
    /// Since when moves are counted: of a midnight, the one before.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// The version's number.
    version: u32,
    /// The currency of amounts.
    currency: String,
    /// The coming January 1, to which the forecast goes.
    #[schema(format = DateTime)]
    new_year: String,
    /// Revenue is of orders paid from this instant on: the 365 local days before `as_of`.
    #[schema(format = DateTime)]
    revenue_since: String,
    /// How many members there are, whether they hold a tier or not.
    members: u64,
    /// The tiers, lowest first, and before them those without one.
    tiers: Vec<InTier>,
    /// To how many members' next tier little is missing.
    near_upgrade: u64,
    /// How many lose their tier at the next review unless more happens.
    at_risk: u64,
    /// In which months tiers end if nothing more happens, and how many.
    #[schema(value_type = Object)]
    expiring: (),
    /// Who moved since.
    flows: Vec<Moved>,
    /// Who will have moved by the coming January 1 if nothing more happens.
    forecast: Vec<Moved>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InTier {
    /// The tier; null for those without.
    tier: Option<String>,
    /// How many hold it.
    members: u64,
    /// How many will on the coming January 1 if nothing more happens.
    on_new_year: u64,
    /// What the orders of those who hold it brought in within a year, whatever tier they had then.
    revenue: Revenue,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revenue {
    /// What was paid less what was refunded, in program currency.
    net: String,
    /// How many orders that is.
    orders: u64,
    /// Orders in another currency that came without a rate: they are in neither of the above.
    left_out: u64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    /// From which tier, or null.
    from: Option<String>,
    /// To which, or null.
    to: Option<String>,
    /// How many.
    members: u64,
}

/// How members moved in a period.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flows {
    /// From when on it is known, at or before what was asked; null if nothing is.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Until when: the last sweep in that time.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Of how many sweeps it is.
    jobs: u64,
    /// Who moved, net of each night.
    moves: Vec<Moved>,
}
