//! What the columns of a list mean: known by their names, else found by looking.

use meerkat_protocols::{
    number::{E164, NotANumber, Region, parse_typed},
    statement::Category,
    time::Day,
};

use crate::records::{Fault, Fields, Records};

/// What separates columns, the commonest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How many records are looked at.
const SAMPLE_RECORDS: usize = 50;

/// Names of columns in lower case, `_` for what is no letter or digit.
const NUMBER: &[&str] = &[
    "company_phone_number",
    "pattern",
    "phone",
    "phone_number",
    "phonenumber",
    "number",
    "tel",
    "telephone",
    "caller_id",
    "rufnummer",
    "nummer",
    "telefonnummer",
];
/// The FTC's own name for it: such a list is of the United States, whatever the country of the home.
const FTC_NUMBER: &str = "company_phone_number";
const FTC_ROBOCALL: &str = "recorded_message_or_robocall";
const FTC_SUBJECT: &str = "subject";
const RATING: &[&str] = &["rating", "category", "type"];
const VOTES: &[&str] = &["votes", "count", "complaints", "reports"];
/// When the row was reported; the FTC's `Created_Date` is `2025-11-14 00:00:00`.
const REPORTED: &[&str] = &["created_date", "reported", "report_date", "date", "day"];

/// How the rows of a list are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What separates the columns.
    pub delimiter: u8,
    /// Whether the first record names the columns.
    pub header: bool,
    /// The column of numbers, from 0.
    pub number: usize,
    /// Whether it is the layout of the FTC's Do-Not-Call complaints.
    pub ftc: bool,
    rating: Option<usize>,
    votes: Option<usize>,
    robocall: Option<usize>,
    subject: Option<usize>,
    reported: Option<usize>,
}

/// A row that says something about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub number: E164,
    /// What it is called.
    pub category: Category,
    /// How many complaints the row stands for.
    pub count: u16,
    /// When it was reported, if the row says so.
    pub day: Option<Day>,
}

impl Layout {
    /// Finds it out from the beginning of a list; `None` if no column holds numbers.
    pub(crate) fn detect(sample: &[u8], home: Region) -> Option<Self> {
        let tables = DELIMITERS.map(|delimiter| (delimiter, table(sample, delimiter)));
        // The separator by which most records have as many columns as the first. Before a later one, an earlier one wins.
        let regular = |rows: &[Vec<String>]| {
            let columns = rows.first().map_or(0, Vec::len);
            if columns > 1 { rows.iter().filter(|r| r.len() == columns).count() } else { 0 }
        };
        let (delimiter, rows) = tables.into_iter().rev().max_by_key(|(_, rows)| regular(rows))?;
        let names: Vec<_> = rows.first()?.iter().map(|n| plain(n)).collect();
        let column = |known: &[&str]| known.iter().find_map(|k| names.iter().position(|n| n == k));
        let named = column(NUMBER);
        let is_number = |row: &[String], at: usize| row.get(at).is_some_and(|t| parse_typed(t, home).is_ok());
        let found = named.or_else(|| {
            let numbers = |at: &usize| rows.iter().filter(|r| is_number(r, *at)).count();
            (0..names.len()).rev().max_by_key(numbers).filter(|at| numbers(at) > 0)
        })?;
        let header = named.is_some() || !is_number(rows.first()?, found);
        let of = |known: &[&str]| if header { column(known).filter(|c| *c != found) } else { None };
        let ftc = names.get(found).is_some_and(|n| n == FTC_NUMBER);
        Some(Self {
            delimiter,
            header,
            number: found,
            ftc,
            rating: of(RATING),
            votes: of(VOTES),
            robocall: of(&[FTC_ROBOCALL]),
            subject: of(&[FTC_SUBJECT]),
            reported: of(REPORTED),
        })
    }

    /// The country by which its numbers are read.
    pub(crate) fn region(&self, home: Region) -> Region {
        if self.ftc { "US".parse().unwrap_or(home) } else { home }
    }

    /// What a row says; `region` is what [`Layout::region`] answered.
    pub(crate) fn entry(&self, fields: Fields<'_>, region: Region) -> Result<Entry, Fault> {
        let text = fields.text(self.number).filter(|t| !t.is_empty()).ok_or(Fault::NoNumber)?;
        let count = self.count(fields)?;
        let category = self.category(fields)?;
        // A star in front is a star code.
        if !text.starts_with('*') && text.contains(['*', '?', '^', '$', '[', '\\', '%']) {
            return Err(Fault::Pattern);
        }
        let number = parse_typed(&text, region).map_err(|e| match e {
            NotANumber::Special => Fault::Special,
            NotANumber::Invalid(_) => Fault::NotANumber,
        })?;
        let day = self.reported.and_then(|c| fields.get(c)).and_then(iso_day);
        Ok(Entry { number, category, count, day })
    }

    fn count(&self, fields: Fields<'_>) -> Result<u16, Fault> {
        let votes = self.votes.and_then(|c| fields.text(c)).and_then(|t| t.parse::<u64>().ok());
        match votes {
            Some(0) => Err(Fault::Withdrawn),
            Some(n) => Ok(u16::try_from(n).unwrap_or(u16::MAX)),
            None => Ok(1),
        }
    }

    fn category(&self, fields: Fields<'_>) -> Result<Category, Fault> {
        let text = |column: Option<usize>| column.and_then(|c| fields.text(c)).unwrap_or_default().to_lowercase();
        if text(self.robocall) == "y" {
            return Ok(Category::Robocall);
        }
        // "Calls pretending to be government, businesses, or family and friends", as the FTC words it.
        if text(self.subject).contains("pretending") {
            return Ok(Category::Scam);
        }
        let rating = text(self.rating);
        // PhoneBlock's ratings have a letter for the order in front: `G_FRAUD`.
        let word = rating.split_once('_').filter(|(letter, _)| letter.len() == 1).map_or(&rating[..], |(_, word)| word);
        match word {
            "legitimate" | "legit" => Err(Fault::Legitimate),
            "fraud" | "scam" | "gamble" => Ok(Category::Scam),
            "advertising" | "poll" | "telemarketer" | "telemarketing" => Ok(Category::Telemarketer),
            "robocall" => Ok(Category::Robocall),
            _ => Ok(Category::Spam),
        }
    }
}

/// The day that a field begins with, as ISO 8601 writes it. Other spellings mean different days in different countries.
fn iso_day(field: &[u8]) -> Option<Day> {
    let digits = |range: std::ops::Range<usize>| std::str::from_utf8(field.get(range)?).ok()?.parse::<i64>().ok();
    let date = field.get(..10)?;
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    if !(1970..=2149).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    u16::try_from(days).ok().map(Day)
}

/// The name of a column without its dress.
fn plain(name: &str) -> String {
    let letters = name.trim().chars().map(|c| if c.is_alphanumeric() { c } else { '_' });
    letters.flat_map(char::to_lowercase).collect()
}

/// The first records of the sample, as they are with this separator. The last may be cut off and is left out, unless it is
/// the only one.
fn table(sample: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let mut rows = vec![];
    let mut each = |_: u64, found: Result<Fields<'_>, Fault>| {
        if let Ok(fields) = found
            && rows.len() < SAMPLE_RECORDS
        {
            rows.push((0..fields.len()).map(|c| fields.text(c).unwrap_or_default()).collect());
        }
    };
    let mut records = Records::new(delimiter);
    records.feed(sample, &mut each);
    records.finish(&mut each);
    if rows.len() > 1 && rows.len() < SAMPLE_RECORDS && !sample.ends_with(b"\n") {
        rows.pop();
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_iso_8601_writes_them_and_no_other_way() {
        for (text, day) in [
            ("1970-01-01", Some(0)),
            ("2025-01-01 00:00:00", Some(20_089)),
            ("2024-02-29T12:00:00Z", Some(19_782)),
            ("2149-06-06", Some(65_535)),
            ("2149-06-07", None),
            ("1969-12-31", None),
            ("11/14/2025", None),
            ("2025-13-01", None),
            ("2025-1-1", None),
            ("", None),
        ] {
            assert_eq!(iso_day(text.as_bytes()), day.map(Day), "{text}");
        }
    }
}
