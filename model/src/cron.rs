//! Cron schedules of five fields (robfig/cron v3 `ParseStandard`): of Karpenter's budgets, in UTC, and of
//! KEDA's cron triggers, in a time zone.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// When something happens: at each minute whose five fields are all set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day and weekday must both match if one of them is `*`, else one of them is enough.
    both_days: bool,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a cron schedule of five fields, found {0:?}")]
pub struct NotASchedule(pub String);

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl FromStr for Schedule {
    type Err = NotASchedule;

    fn from_str(text: &str) -> Result<Self, NotASchedule> {
        let refuse = || NotASchedule(text.to_owned());
        let spelt = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = spelt.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(refuse());
        };
        let read = |text, least, most, names| field(text, least, most, names).ok_or_else(refuse);
        Ok(Schedule {
            minutes: read(minute, 0, 59, &[])?,
            hours: read(hour, 0, 23, &[])?,
            days: read(day, 1, 31, &[])?,
            months: read(month, 1, 12, &MONTHS)?,
            weekdays: read(weekday, 0, 6, &WEEKDAYS)?,
            both_days: is_star(day) || is_star(weekday),
        })
    }
}

/// `*` or `?`; with a step it restricts, and is no star any more.
fn is_star(text: &str) -> bool {
    text.split(',')
        .any(|part| matches!(part, "*" | "?" | "*/1" | "?/1"))
}

/// One field as a set of bits: a list of `*`, numbers, ranges, each perhaps with a step.
fn field(text: &str, least: u32, most: u32, names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
        match named {
            Some(at) => Some(at as u32 + least),
            None => text.parse().ok(),
        }
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            // A start with a step goes on to the end.
            None if part.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from < least || to > most || from > to {
            return None;
        }
        set |= (from..=to)
            .step_by(step as usize)
            .fold(0, |set, bit| set | 1 << bit);
    }
    Some(set)
}

impl Schedule {
    /// Whether the schedule fired within the last `duration` before or at `seconds` after 1970 began
    /// (karpenter v1.14 pkg/apis/v1/nodepool.go `IsActive`). One that never fires has always fired: upstream's
    /// "never" is the beginning of time.
    #[must_use]
    pub fn is_within(&self, seconds: i64, duration: Duration) -> bool {
        let since = seconds.saturating_sub_unsigned(duration.as_secs());
        self.next(since).is_none_or(|next| next <= seconds)
    }

    /// The first time after `seconds` at which it fires, in seconds since 1970 began; `None` if there is none
    /// within five years.
    #[must_use]
    pub fn next(&self, seconds: i64) -> Option<i64> {
        self.next_in(seconds, &TimeZone::UTC)
    }

    /// The same by the clocks of a time zone. The search walks from instant to instant, so that a time which the clocks show
    /// twice in autumn fires twice, and what falls into an hour that is left out in spring does not fire that day
    /// (robfig/cron v3.0.1 spec.go `SpecSchedule.Next`).
    #[must_use]
    pub fn next_in(&self, seconds: i64, zone: &TimeZone) -> Option<i64> {
        let mut clock = Clock::at(zone, seconds.div_euclid(60) * 60 + 60)?;
        // Whether the fields below the first one that moved have been set back.
        let mut cut = false;
        let last_year = clock.shows.year() + 5;
        'fields: while clock.shows.year() <= last_year {
            while !has(self.months, clock.shows.month()) {
                if !cut {
                    clock = clock.set(clock.shows.date().first_of_month().to_datetime(Time::midnight()))?;
                }
                cut = true;
                clock = clock.set(clock.shows.checked_add(1.month()).ok()?)?;
                if clock.shows.month() == 1 {
                    continue 'fields;
                }
            }
            while !self.has_day(clock.shows) {
                if !cut {
                    clock = clock.set(clock.shows.date().to_datetime(Time::midnight()))?;
                }
                cut = true;
                clock = clock.set(clock.shows.checked_add(1.day()).ok()?)?;
                // A midnight that is left out.
                let hour = i64::from(clock.shows.hour());
                if hour != 0 {
                    let to_midnight = if hour > 12 { 24 - hour } else { -hour };
                    clock = clock.later(to_midnight * 3600)?;
                }
                if clock.shows.day() == 1 {
                    continue 'fields;
                }
            }
            while !has(self.hours, clock.shows.hour()) {
                if !cut {
                    clock = clock.set(clock.shows.with().minute(0).build().ok()?)?;
                }
                cut = true;
                clock = clock.later(3600)?;
                if clock.shows.hour() == 0 {
                    continue 'fields;
                }
            }
            while !has(self.minutes, clock.shows.minute()) {
                cut = true;
                clock = clock.later(60)?;
                if clock.shows.minute() == 0 {
                    continue 'fields;
                }
            }
            return Some(clock.seconds);
        }
        None
    }

    fn has_day(&self, at: DateTime) -> bool {
        let day = has(self.days, at.day());
        let weekday = has(self.weekdays, at.weekday().to_sunday_zero_offset());
        if self.both_days {
            day && weekday
        } else {
            day || weekday
        }
    }
}

/// An instant, and what the clocks of a zone show then.
#[derive(Clone, Copy)]
struct Clock<'z> {
    zone: &'z TimeZone,
    /// Since 1970 began.
    seconds: i64,
    shows: DateTime,
}

impl<'z> Clock<'z> {
    fn at(zone: &'z TimeZone, seconds: i64) -> Option<Self> {
        let shows = zone.to_datetime(Timestamp::from_second(seconds).ok()?);
        Some(Clock { zone, seconds, shows })
    }

    fn later(self, seconds: i64) -> Option<Self> {
        Clock::at(self.zone, self.seconds + seconds)
    }

    /// When the clocks show a time. Of two such instants, and for a time that they never show, it is the one that Go's
    /// `time.Date` takes: by the offset that holds where the offset of that time in UTC leads.
    fn set(self, shows: DateTime) -> Option<Self> {
        let offset = |seconds: i64| {
            let at = Timestamp::from_second(seconds).ok()?;
            Some(i64::from(self.zone.to_offset(at).seconds()))
        };
        let local = Offset::UTC.to_timestamp(shows).ok()?.as_second();
        let first = local - offset(local)?;
        Clock::at(self.zone, local - offset(first)?)
    }
}

fn has(set: u64, bit: i8) -> bool {
    set >> bit & 1 == 1
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;

    use super::*;

    #[test]
    fn a_zone_has_its_own_clocks() {
        let zone = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        let check = |schedule: &str, after: &str, next: &str| {
            let schedule: Schedule = schedule.parse().unwrap();
            let after: Timestamp = after.parse().unwrap();
            let found = Timestamp::from_second(schedule.next_in(after.as_second(), &zone).unwrap()).unwrap();
            assert_eq!(found.to_string(), next);
        };
        check("0 6 * * *", "2026-01-10T00:00:00Z", "2026-01-10T05:00:00Z");
        check("0 6 * * *", "2026-07-10T00:00:00Z", "2026-07-10T04:00:00Z");
        // On 2026-03-29 the clocks go from 2 to 3.
        check("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z");
    }

    // Facts of robfig/cron v3.0.1 spec_test.go `TestNext`, and for Europe what the same code answers.
    #[test]
    fn clocks_go_forth_and_back() {
        let check = |zone: &str, schedule: &str, after: &str, next: &str| {
            let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
            let parsed: Schedule = schedule.parse().unwrap();
            let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
            let found = parsed.next_in(second(after), &zone);
            assert_eq!(found, Some(second(next)), "{schedule} after {after}");
        };
        let new_york = |schedule, after, next| check("America/New_York", schedule, after, next);
        for (schedule, after, next) in [
            (
                "30 2 11 Mar ?",
                "2012-03-11T00:00:00-05:00",
                "2013-03-11T02:30:00-04:00",
            ),
            (
                "0 * * * ?",
                "2012-03-11T00:00:00-05:00",
                "2012-03-11T01:00:00-05:00",
            ),
            (
                "0 * * * ?",
                "2012-03-11T01:00:00-05:00",
                "2012-03-11T03:00:00-04:00",
            ),
            (
                "0 1 * * ?",
                "2012-03-11T01:00:00-05:00",
                "2012-03-12T01:00:00-04:00",
            ),
            (
                "0 2 * * ?",
                "2012-03-11T00:00:00-05:00",
                "2012-03-12T02:00:00-04:00",
            ),
            (
                "30 2 04 Nov ?",
                "2012-11-04T00:00:00-04:00",
                "2012-11-04T02:30:00-05:00",
            ),
            (
                "30 1 04 Nov ?",
                "2012-11-04T01:45:00-04:00",
                "2012-11-04T01:30:00-05:00",
            ),
            (
                "0 * * * ?",
                "2012-11-04T00:00:00-04:00",
                "2012-11-04T01:00:00-04:00",
            ),
            (
                "0 * * * ?",
                "2012-11-04T01:00:00-04:00",
                "2012-11-04T01:00:00-05:00",
            ),
            (
                "0 * * * ?",
                "2012-11-04T01:00:00-05:00",
                "2012-11-04T02:00:00-05:00",
            ),
            (
                "0 1 * * ?",
                "2012-11-04T00:00:00-04:00",
                "2012-11-04T01:00:00-04:00",
            ),
            (
                "0 1 * * ?",
                "2012-11-04T01:00:00-04:00",
                "2012-11-04T01:00:00-05:00",
            ),
            (
                "0 1 * * ?",
                "2012-11-04T01:00:00-05:00",
                "2012-11-05T01:00:00-05:00",
            ),
            (
                "0 2 * * ?",
                "2012-11-04T00:00:00-04:00",
                "2012-11-04T02:00:00-05:00",
            ),
            (
                "0 3 3 * ?",
                "2012-11-04T00:00:00-04:00",
                "2012-12-03T03:00:00-05:00",
            ),
        ] {
            new_york(schedule, after, next);
        }
        // Midnight is left out.
        let sao_paulo = "America/Sao_Paulo";
        check(
            sao_paulo,
            "0 9 10 * ?",
            "2018-10-17T05:00:00-04:00",
            "2018-11-10T06:00:00-05:00",
        );
        check(
            sao_paulo,
            "0 9 22 * ?",
            "2018-02-14T05:00:00-05:00",
            "2018-02-22T07:00:00-05:00",
        );
        let berlin = "Europe/Berlin";
        check(
            berlin,
            "30 2 * * *",
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
        );
        check(
            berlin,
            "30 2 * * *",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
        );
        check(
            berlin,
            "15 3 * * *",
            "2026-10-25T00:20:00Z",
            "2026-10-25T02:15:00Z",
        );
        check(
            berlin,
            "45 3 * * *",
            "2026-03-29T00:10:00Z",
            "2026-03-29T01:45:00Z",
        );
    }

    fn check(schedule: &str, after: &str, next: &str) {
        let parsed: Schedule = schedule.parse().expect("a schedule");
        let second = |text: &str| text.parse::<Timestamp>().expect("a time").as_second();
        let found = parsed
            .next(second(after))
            .map(|at| Timestamp::from_second(at).unwrap().to_string());
        assert_eq!(found.as_deref(), Some(next), "{schedule} after {after}");
    }

    // Expected values from robfig/cron v3 spec_test.go's rules, worked by hand.
    #[test]
    fn the_next_time_meets_every_field() {
        check("* * * * *", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z");
        check("0 9 * * mon-fri", "2026-01-02T10:00:00Z", "2026-01-05T09:00:00Z");
        check("*/15 * * * *", "2026-01-01T00:46:00Z", "2026-01-01T01:00:00Z");
        check("5/20 3 * * *", "2026-01-01T03:25:00Z", "2026-01-01T03:45:00Z");
        check("@daily", "2026-02-28T12:00:00Z", "2026-03-01T00:00:00Z");
        check("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z");
        // The exact moment does not count, the one after it does.
        check("@hourly", "2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z");
    }

    #[test]
    fn day_and_weekday_are_alternatives_unless_one_is_a_star() {
        // 2026-01-05 is a Monday.
        check("0 0 13 * mon", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z");
        check("0 0 13 * *", "2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z");
        check("0 0 */2 * mon", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
    }

    #[test]
    fn a_window_lasts_from_when_it_fires() {
        let nine: Schedule = "0 9 * * *".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let hour = Duration::from_secs(3600);
        assert!(!nine.is_within(at("2026-01-01T08:59:59Z"), hour));
        assert!(nine.is_within(at("2026-01-01T09:00:00Z"), hour));
        assert!(nine.is_within(at("2026-01-01T09:59:59Z"), hour));
        assert!(!nine.is_within(at("2026-01-01T10:00:00Z"), hour));
        let never: Schedule = "0 0 30 2 *".parse().unwrap();
        assert!(never.is_within(at("2026-01-01T10:00:00Z"), hour));
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "@never",
        ] {
            assert_eq!(
                text.parse::<Schedule>(),
                Err(NotASchedule(text.to_owned())),
                "{text}"
            );
        }
    }
}
