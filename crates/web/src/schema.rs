//! Shapes of what other crates tell, for the document alone: what is told is theirs, and a test holds every answer against
//! the document.
#![expect(dead_code, reason = "nobody makes one: they say how others look as JSON")]

use serde::Deserialize;
use utoipa::ToSchema;

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
    #[schema(default = "")]
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
    /// What it would do, member by member, added up: `members`, `moves` (enter, rise, stay, fall, leave, without_tier),
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
    /// What was counted so far: `members`, `kept`, `without`, `entered`, `rose`, `fell`, `left`, `renewed`, `held`, `moves` from
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
