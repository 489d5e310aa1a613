//! The faults that are injected, and how often each was.

use std::collections::BTreeMap;
use std::fmt;

macro_rules! faults {
    ($($fault:ident = $name:literal,)+) => {
        /// A kind of fault. Each has an injector of its own, which counts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $name] $fault,)+
        }

        impl Fault {
            /// All faults.
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// The name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)+ }
            }
        }
    };
}

faults! {
    DuplicateAtOnce = "a message delivered twice at once",
    DuplicateLater = "a message sent again after 30 days or more",
    Reordered = "messages delivered in another order",
    RefundFirst = "a refund before its order",
    CancellationFirst = "a cancellation before its order",
    PointsCanceledFirst = "a cancellation of points before the entry",
    TagRemovedFirst = "a tag removed before it was set",
    YearLate = "a fact sent a year late",
    SameRevision = "the same revision with another body",
    OrderMoved = "an order that moves to another member",
    CrashBeforeRead = "crash before a read",
    CrashAfterRead = "crash after a read",
    CrashBeforeWrite = "crash before a write",
    CrashAfterCommit = "crash after a commit, before it is acknowledged",
    CrashBeforeAnnouncing = "crash between commit and announcing",
    CrashAfterAnnouncing = "crash between announcing and marking",
    CrashAtPage = "sweep killed at a page",
    PageAbandoned = "sweep killed at a page, and a member on it erased before another worker goes on",
    AmbiguousApplied = "a write that timed out and was done",
    AmbiguousLost = "a write that timed out and was not done",
    SentAgain = "a write that was done, and sent again by a client that had no answer",
    LateWrite = "a write that is done after its sender gave up",
    ReadFailed = "a read that timed out or broke off",
    ConflictStorm = "a transaction refused for a conflict with another",
    Throttled = "a request throttled, at a rate of 1 to 99 %",
    ServerError = "an internal error of a service",
    PartialRead = "a batch read done in part",
    ShortPage = "a page cut short",
    StaleRead = "a read or index that lags behind",
    PartialEvents = "PutEvents that took some entries",
    BusDuplicate = "an event that the bus delivered twice",
    StreamReplayed = "records of a stream brought again",
    StreamInterleaved = "shards of a stream interleaved",
    StreamLost = "relay down for a day: records of the stream gone",
    TwoWorkers = "two workers on one segment",
    TimedOut = "a function stopped at its time-out",
    LostTick = "a tick that did not come",
    LostAnnouncement = "the event of a published version that did not arrive",
    VersionMidSweep = "a new version while a sweep is under way",
    VersionsInARow = "three versions in a row",
    StaleProgram = "a process that has an older program in its cache",
    ClockAhead = "a clock up to 5 s ahead",
    ClockBehind = "a clock up to 5 s behind",
    ClockYearsAhead = "all clocks years ahead for a while",
    SummerTime = "a change to or from summer time",
    LeapDay = "a leap day",
    YearEdge = "a year's edge",
    ReleaseChanged = "a newer release of the time zone database",
    Burst = "many events of one member at once",
    ErasureBesideIngest = "an erasure while events of the member are under way",
    ErasureBesideSweep = "an erasure while a sweep is under way",
    NewerItem = "an item written by a newer release",
    DeadLetter = "a message given up after 20 deliveries, and redriven",
    Unreadable = "an unreadable message",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The number of times that each fault was injected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits(BTreeMap<Fault, u64>);

impl Hits {
    /// Counts one fault.
    pub fn hit(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// Adds the counts of others.
    pub fn add(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }

    /// The count of one fault.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or_default()
    }
}

/// The chances of faults for a while, each in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// A request is throttled.
    pub throttled: u64,
    /// A service has an internal error.
    pub server_error: u64,
    /// No answer comes back.
    pub lost: u64,
    /// A transaction conflicts with another.
    pub conflict: u64,
    /// A batch is done in part: reads, or entries of the bus.
    pub partial: u64,
    /// A page is cut short.
    pub short: u64,
    /// A read that need not be consistent is stale.
    pub stale: u64,
    /// The process dies. Sweeps die three times as often: they make few requests, and each of those does much.
    pub crash: u64,
    /// Messages come twice, or in another order.
    pub disorder: u64,
    /// The most milliseconds that a request or its answer is on the way.
    pub slow: u64,
}

impl Weather {
    /// Nothing goes wrong; requests still take their time.
    pub const CALM: Self = Self {
        throttled: 0,
        server_error: 0,
        lost: 0,
        conflict: 0,
        partial: 0,
        short: 0,
        stale: 0,
        crash: 0,
        disorder: 0,
        slow: 5,
    };
}
