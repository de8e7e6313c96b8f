"""Units of the calendar by their English names, counted from a day."""

from datetime import date, timedelta

from memory_service.analysis.times import days as on
from memory_service.analysis.times.days import DAY, WEEK, Days, Granularity
from memory_service.analysis.times.reading import Reading


def years_near(reading: Reading) -> range:
    """Return the years among which one is meant where none is named."""
    return range(reading.today.year - 2, reading.today.year + 3)


def start_of(days: Days) -> date:
    """Return the first day of days that have one."""
    assert days.start is not None
    return days.start


def calendar_unit(today: date, unit: str, step: int) -> Days:
    """Return the week, month, year … of a day, or the one some steps away.

    >>> calendar_unit(date(2023, 1, 15), "month", -1).start
    datetime.date(2022, 12, 1)
    """
    match unit:
        case "week" | "wk":
            return on.week_of(today + step * WEEK)
        case "weekend":
            return on.weekend_of(today + step * WEEK)
        case "fortnight":
            return Days(today + step * 2 * WEEK, today + (step + 1) * 2 * WEEK, Granularity.RANGE)
        case "month" | "mo":
            return on.month(today.year, today.month + step)
        case "quarter":
            year, index = divmod(today.year * 4 + (today.month - 1) // 3 + step, 4)
            return on.quarter(year, index + 1)
        case "year" | "yr":
            return on.whole_year(today.year + step)
        case "decade":
            return on.decade(today.year // 10 * 10 + 10 * step)
    return on.one_day(today + step * DAY)


def back(today: date, count: int, unit: str) -> date:
    """Return the day some units before a day; negative counts go ahead.

    >>> back(date(2023, 3, 31), 1, "month"), back(date(2023, 3, 31), -2, "week")
    (datetime.date(2023, 2, 28), datetime.date(2023, 4, 14))
    """
    match unit:
        case "hour" | "hr":
            return today - timedelta(days=count // 24)
        case "day" | "night":
            return today - count * DAY
        case "week" | "wk" | "weekend":
            return today - count * WEEK
        case "fortnight":
            return today - 2 * count * WEEK
        case "month" | "mo":
            return on.months_from(today, -count)
        case "quarter":
            return on.months_from(today, -3 * count)
        case "year" | "yr":
            return on.months_from(today, -12 * count)
    return on.months_from(today, -120 * count)
