//! The time zone of the home: the one in the settings, else the machine's, as a table for the node, which has no clock and no
//! files.

use std::path::Path;

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};
use meerkat_protocols::{time::EARLIEST_PLAUSIBLE_WALL, zone::Zone};

/// Where systems keep the time zone database (tz, IANA).
const DATABASE: &str = "/usr/share/zoneinfo";
/// The largest file of a zone, in bytes: the longest of the database has under 4 kB.
const MAX_ZONE_BYTES: u64 = 64 * 1024;
/// The most changes of the clock that are looked ahead: twice a year for a hundred years.
const MAX_CHANGES: usize = 200;

/// The time zone by which the home lives; `None` if nobody says, or nobody knows the one that is named.
pub(crate) fn of_home(name: Option<&str>) -> Option<Zone> {
    match name {
        Some(name) => named(name),
        None => TimeZone::try_system().ok().filter(|zone| !zone.is_unknown()).map(|zone| table(&zone, "this machine")),
    }
}

/// The zone of this name, if the machine's database has it.
pub(crate) fn named(name: &str) -> Option<Zone> {
    let plain = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "+-_".contains(c);
        !part.is_empty() && part.chars().all(fits)
    };
    if name == "UTC" {
        return Some(Zone::fixed(name, 0));
    }
    if name.len() > 64 || !name.split('/').all(plain) {
        return None;
    }
    let path = Path::new(DATABASE).join(name);
    let fits = std::fs::metadata(&path).is_ok_and(|about| about.is_file() && about.len() <= MAX_ZONE_BYTES);
    let bytes = if fits { std::fs::read(path).ok()? } else { return None };
    Some(table(&TimeZone::tzif(name, &bytes).ok()?, name))
}

fn table(zone: &TimeZone, otherwise: &str) -> Zone {
    let begin = Timestamp::from_second(EARLIEST_PLAUSIBLE_WALL).unwrap_or(Timestamp::UNIX_EPOCH);
    let seconds = |offset: Offset| offset.seconds();
    let changes = zone.following(begin).take(MAX_CHANGES);
    Zone {
        name: zone.iana_name().unwrap_or(otherwise).to_owned(),
        first: seconds(zone.to_offset(begin)),
        changes: changes.map(|change| (change.timestamp().as_second(), seconds(change.offset()))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_by_its_name_and_nothing_else_is_read() {
        assert_eq!(named("UTC").map(|zone| zone.offset_s(0)), Some(0));
        for wrong in ["", "../../../etc/passwd", "/etc/localtime", "Europe", "Europe/Atlantis", "Europe//Berlin"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
        if let Some(berlin) = named("Europe/Berlin") {
            let shown = |at| berlin.minute(at).to_string();
            // Summer time begins on 2026-03-29 and ends on 2026-10-25, each at 01:00 UTC.
            assert_eq!((shown(1_774_745_999), shown(1_774_746_000)), ("01:59".into(), "03:00".into()));
            assert_eq!((shown(1_792_889_999), shown(1_792_890_000)), ("02:59".into(), "02:00".into()));
        }
    }
}
