//! Schemas of what other crates return, for the document alone. Those crates own the types, and a test checks every
//! answer against the document.
#![expect(dead_code, reason = "never constructed: they describe the JSON of other types")]

use serde::Deserialize;
use utoipa::ToSchema;

/// The id of something in the shop's system: at most 256 bytes of UTF-8, no control characters, not only spaces.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$")]
pub(crate) struct Id(String);

/// The id of a customer in a path, percent-encoded. An id that has a slash or begins with `~` is written as `~` and its
/// UTF-8 in base64url without padding: `gid://shopify/Customer/7` is `~Z2lkOi8vc2hvcGlmeS9DdXN0b21lci83`. That form is
/// safe everywhere, because API Gateway hands over paths decoded and an encoded slash would arrive as a slash.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 256, pattern = "^[^~/\\x00-\\x1f\\x7f-\\x9f\\s][^/\\x00-\\x1f\\x7f-\\x9f]*$")]
pub(crate) struct PathId(String);

/// The id of a quarantined message.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z-]+$", examples("4b227777d4dd1fc61c6f884f48641d02"))]
pub(crate) struct QuarantineId(String);

/// The reason why a message can never be ingested as it is.
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
    NothingToSend,
    OversizeStub,
    MixedCurrencies,
    NoInstant,
    TooLarge,
}

/// A quarantined message.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuarantineRow {
    /// The id.
    id: QuarantineId,
    /// The shop, if the message names one.
    shop: Option<String>,
    /// When it was quarantined.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// The quarantine reason. There may be others than those listed here, from an earlier or a later release.
    #[schema(examples("unknown_shop"))]
    reason: String,
    /// The remedy.
    remedy: String,
    /// The topic or type, if it is a known one.
    topic: Option<String>,
    /// The fields with problems.
    paths: Vec<String>,
    /// The size of the body in bytes.
    bytes: u64,
}

/// A version of the program, as it was published.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    /// The version's number.
    version: u32,
    /// The state: `past`, `in_force`, `pending` or `withdrawn`.
    state: VersionState,
    /// The instant from which the version is in force, unless it was withdrawn.
    #[schema(format = DateTime)]
    effective_at: String,
    /// When it was published.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// The publisher.
    by: String,
    /// The publisher's reason.
    why: String,
    /// The author and the time of the withdrawal or replacement before it took effect.
    withdrawn: Option<WithdrawnBy>,
    /// The publisher's options.
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
    /// The author.
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

/// A program to be published: either `program`, or `version` for the program of an earlier version.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The program, as in section 3 of the semantics.
    #[schema(value_type = Option<Object>)]
    program: Option<()>,
    /// Or the number of an earlier version, to roll back to.
    #[schema(minimum = 1)]
    version: Option<u32>,
    /// The publisher's options: `rewards`, `notify`, `demotions` (`apply` or `hold`), `while_active`, `clamp`.
    #[schema(value_type = Option<Object>)]
    options: Option<()>,
    /// The instant at which it takes effect; as soon as possible if none is named.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// The publisher; the token's name if none is given.
    by: Option<String>,
    /// The reason, kept with the version.
    #[schema(default = "", required = false)]
    why: String,
}

/// An effect of a change on members that the publisher should know before publishing.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advice {
    /// The field that it concerns.
    path: String,
    /// A sentence for people.
    message: String,
    /// Whether it wipes progress or takes tiers away.
    loud: bool,
}

/// The result of publishing.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Published {
    /// The shop.
    shop: String,
    /// The number of the version.
    version: u32,
    /// Whether the version is new. If not, the newest version was already the same.
    published: bool,
    /// The instant from which the version is in force.
    #[schema(format = DateTime)]
    effective_at: String,
    /// The version that was pending until now, and will never take effect.
    replaces: Option<u32>,
    /// The effects on members.
    warnings: Vec<Advice>,
    /// The stored facts before the program's start, which count for nothing; null if there are none.
    before_the_start: Option<Uncounted>,
}

/// Stored facts that lie before the program's start, and count for nothing.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Uncounted {
    /// The first day that counts.
    #[schema(format = Date)]
    starts_on: String,
    /// The number of orders, or of entries of points where the program counts points.
    facts: u64,
    /// What was paid for these orders and not given back, by the code of its currency.
    money: std::collections::BTreeMap<String, String>,
    /// Whether every member was read. Otherwise there are at least so many.
    complete: bool,
    /// What does not count, and the remedy, in a sentence.
    message: String,
}

/// The effects that publishing would have.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Previewed {
    /// The shop.
    shop: String,
    /// The number that the version would have.
    version: u32,
    /// The instant from which the version would be in force.
    #[schema(format = DateTime)]
    effective_at: String,
    /// The version that is pending now, and would never take effect.
    replaces: Option<u32>,
    /// The effects that follow from the rules alone.
    warnings: Vec<Advice>,
    /// The effects added up over all members: `members`, `moves` (entered, upgraded, retained, downgraded, left,
    /// without_tier), `held`, `ways` from tier to tier with samples, `rewards` due by tier and their cost, `birthdays`,
    /// how `validity` changes, and whose progress is `wiped`.
    #[schema(value_type = Object)]
    preview: (),
    /// The number of members that cannot be decoded. They are not counted.
    unreadable: u64,
    /// The same, as text for people.
    picture: String,
    /// The next of the 256 equal parts of the members, if the time was not enough for all.
    #[schema(minimum = 1, maximum = 255)]
    next_part: Option<u16>,
    /// Every member whose tier would change, if the list was asked for.
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

/// A job: all members of a shop advance past a midnight or a change of rules.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    /// The shop.
    shop: String,
    /// The name: the boundary and the kind.
    #[schema(examples("2027-01-01T05:00:00.000Z-rollover"))]
    id: String,
    /// The state.
    state: JobState,
    /// When it was opened.
    #[schema(format = DateTime)]
    opened_at: String,
    /// When work may begin: when every writer that could have missed the boundary is finished.
    #[schema(format = DateTime)]
    starts_at: String,
    /// When the last segment was done, or the job was ended early.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// The number of segments into which the shop's members are divided.
    segments: u16,
    /// The counts, once the job has ended: the same as `so_far`.
    #[schema(value_type = Option<Object>)]
    tally: Option<()>,
    /// For a midnight, the instant since which moves are counted.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// For a midnight, the local day that begins at it.
    #[schema(format = Date, examples("2027-01-01"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    /// The releases of the IANA time zone database under which the job was opened and ended, usually the same one.
    #[schema(examples(json!(["2026f"])))]
    #[serde(skip_serializing_if = "Option::is_none")]
    zones: Option<Vec<String>>,
    /// The lists of members that the job writes: until when they can be read.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    lists: Option<()>,
    /// The counts so far: `members`, `retained`, `without`, `entered`, `upgraded`, `downgraded`, `left`, `renewed`,
    /// `held`, `moves` from tier to tier, `rewards`, `birthdays`, `notices`, `written`, `unreadable`.
    #[schema(value_type = Object)]
    so_far: (),
    /// The number of parts that are done, of 256 equal parts of the members.
    #[schema(minimum = 0, maximum = 256)]
    parts_done: u16,
    /// When the job is expected to be done.
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

/// An order to a job.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobOrder {
    /// Stops after the pages that are under way, until the job is resumed.
    Pause,
    /// Continues the job.
    Resume,
    /// Ends the job.
    Cancel,
}

/// Members of a list, as one sweep found them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListPage {
    /// The instant for which the members' standings were evaluated.
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
    /// The member.
    member_id: String,
    /// The tier held.
    tier: Option<String>,
    /// When it ends if nothing more happens, exclusive.
    #[schema(format = DateTime)]
    valid_until: Option<String>,
    /// The tier that its end would bring.
    upcoming: Option<String>,
    /// The next tier above, and what is missing to reach it.
    next: Option<ListNext>,
    /// The requirement for keeping the earned tier.
    requalify: Option<ListKeep>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListNext {
    /// The tier.
    tier: String,
    /// The amount that is missing to reach it.
    remaining: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListKeep {
    /// The amount that is missing; 0 if the tier is kept already.
    remaining: String,
    /// The deadline.
    #[schema(format = DateTime)]
    by: String,
}

/// The findings of a sweep about all members.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Insight {
    /// The sweep.
    job: String,
    /// The instant for which the members' standings were evaluated, under the version in force then.
    #[schema(format = DateTime)]
    as_of: String,
    /// The instant since which moves are counted: for a midnight, the midnight before.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// The version's number.
    version: u32,
    /// The currency of amounts.
    currency: String,
    /// The coming January 1, for which the forecast is made.
    #[schema(format = DateTime)]
    new_year: String,
    /// The instant from which paid orders count as revenue: the 365 local days before `as_of`.
    #[schema(format = DateTime)]
    revenue_since: String,
    /// The number of members, with and without a tier.
    members: u64,
    /// The tiers, lowest first, preceded by the members without a tier.
    tiers: Vec<InTier>,
    /// The number of members who are close to their next tier.
    near_upgrade: u64,
    /// The number of members who lose their tier at the next review unless more happens.
    at_risk: u64,
    /// The number of tiers that end if nothing more happens, by month.
    #[schema(value_type = Object)]
    expiring: (),
    /// The members' moves since then.
    flows: Vec<Moved>,
    /// The moves until the coming January 1 if nothing more happens.
    forecast: Vec<Moved>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InTier {
    /// The tier; null for members without one.
    tier: Option<String>,
    /// The number of members who hold it.
    members: u64,
    /// The number of members who will hold it on the coming January 1 if nothing more happens.
    on_new_year: u64,
    /// The revenue within a year from the orders of members who hold it now, whatever tier they had then.
    revenue: Revenue,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revenue {
    /// Payments less refunds, in the program's currency.
    net: String,
    /// The number of orders.
    orders: u64,
    /// The number of orders in another currency that came without a rate. They are in neither `net` nor `orders`.
    left_out: u64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    /// The tier before, or null.
    from: Option<String>,
    /// The tier after, or null.
    to: Option<String>,
    /// The number of members.
    members: u64,
}

/// The members' moves in a period.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flows {
    /// The instant from which moves are known, at or before `from`; null if none are known.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// The end: the last sweep in the period.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// The number of sweeps.
    jobs: u64,
    /// The moves, net for each night.
    moves: Vec<Moved>,
}
