//! Parts of a date in UTC.

/// What a date function asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Minute,
    Hour,
    /// 0 is Sunday.
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

const DAY: u64 = 86_400;

/// From the year in which Go begins to count seconds to 1970, in seconds: a multiple of a day
/// (go1.24 time/time.go `unixToInternal`, `internalToAbsolute`).
const GO_EPOCH: u64 = 9_223_372_028_715_321_600;

impl Part {
    /// The part of a time in Unix seconds, cut off to a whole second. What no 64-bit integer can hold is the
    /// least one, as on amd64, and counting wraps around as in Go.
    pub(super) fn of(self, unix_seconds: f64) -> f64 {
        /// 2^63
        const LIMIT: f64 = (1_u64 << 63) as f64;
        let fits = (-LIMIT..LIMIT).contains(&unix_seconds);
        let seconds = if fits { unix_seconds as i64 } else { i64::MIN };
        let absolute = (seconds as u64).wrapping_add(GO_EPOCH);
        let (day, second) = (absolute / DAY, absolute % DAY);
        let days = i128::from(day) - i128::from(GO_EPOCH / DAY);
        let part = match self {
            Part::Minute => i128::from(second / 60 % 60),
            Part::Hour => i128::from(second / 3600),
            // 1 January 1970 was a Thursday.
            Part::DayOfWeek => (days + 4).rem_euclid(7),
            _ => self.of_date(days),
        };
        part as f64
    }

    fn of_date(self, days: i128) -> i128 {
        let (year, month, day) = date(days);
        match self {
            Part::DayOfMonth => day,
            Part::DayOfYear => days - days_before(year, 1) + 1,
            Part::DaysInMonth if month == 12 => 31,
            Part::DaysInMonth => days_before(year, month + 1) - days_before(year, month),
            Part::Month => month,
            _ => year,
        }
    }
}

/// Year, month and day of a day since 1970. Years are counted from March, so that the leap day comes last, in
/// cycles of 400 years.
fn date(days: i128) -> (i128, i128, i128) {
    const CYCLE: i128 = 146_097;
    let shifted = days + 719_468;
    let (cycle, day) = (shifted.div_euclid(CYCLE), shifted.rem_euclid(CYCLE));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + 400 * cycle + next_year, month, day)
}

/// The days from 1970 to the first of a month.
fn days_before(year: i128, month: i128) -> i128 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    cycle * 146_097 + 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_leap_day() {
        // Thursday 2024-02-29 23:59:58 UTC
        let of = |part: Part| part.of(1_709_251_198.5);
        assert_eq!(
            [of(Part::Minute), of(Part::Hour), of(Part::DayOfWeek)],
            [59.0, 23.0, 4.0]
        );
        assert_eq!([of(Part::DayOfMonth), of(Part::DayOfYear)], [29.0, 60.0]);
        assert_eq!(
            [of(Part::DaysInMonth), of(Part::Month), of(Part::Year)],
            [29.0, 2.0, 2024.0]
        );
    }

    #[test]
    fn days_and_dates_agree() {
        for days in (-800_000..800_000).step_by(37) {
            let (year, month, day) = date(days);
            assert_eq!(days_before(year, month) + day - 1, days);
            assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }
        assert_eq!((Part::DayOfWeek.of(-1.0), Part::Hour.of(-1.0)), (3.0, 23.0));
    }
}
