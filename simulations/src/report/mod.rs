//! A run as one page that needs nothing else: what came of it, how reports spread, who knew what when.

mod plot;

use std::fmt::Write as _;

use crate::{
    outcome::{Outcome, Spread},
    world::World,
};
use plot::{Curve, escaped};

/// Homes beyond these are left out of the map of who knew what when: more rows than a screen has.
const MOST_ROWS: usize = 400;
/// Reports beyond these likewise.
const MOST_COLUMNS: usize = 120;

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1c1b19; --paper: #fbfaf7; --soft: #8a857c; --line: #d9d4ca; --good: #2c7a4b; \
--bad: #b3362b; --a: #b8641c; --b: #2b6e8f }
@media (prefers-color-scheme: dark) { :root { --ink: #ece8e1; --paper: #171614; --soft: #9a948a; --line: #3a3733; \
--good: #6fc28f; --bad: #ee8277; --a: #eaa05c; --b: #7cc0e0 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto; \
padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin-top: 2.5rem } p { margin: .4rem 0 }
.soft { color: var(--soft) } .good { color: var(--good) } .bad { color: var(--bad) }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid var(--line) }
td.n { text-align: right; font-variant-numeric: tabular-nums }
svg { width: 100%; height: auto; display: block } svg text { fill: var(--soft); font: 11px system-ui, sans-serif }
.axis { stroke: var(--line) } .curve { fill: none; stroke-width: 2 } .a { stroke: var(--a) } .b { stroke: var(--b) }
.bar { fill: var(--a) } .one { fill: var(--a) } .other { fill: var(--b) } .off { fill: var(--soft) }";

/// The page of a world that has lived.
#[must_use]
pub fn page(world: &World, outcome: &Outcome) -> String {
    let mut page = String::new();
    let title = escaped(&outcome.scenario);
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}, seed {seed}</title><style>{STYLE}</style><h1>{title}</h1><p>{about}</p>\
         <p class=\"soft\">Seed {seed}, trace {trace}. {homes} homes, {lasts} minutes.</p>",
        seed = outcome.seed,
        about = escaped(&world.scenario.about),
        trace = outcome.trace,
        homes = outcome.figures.homes,
        lasts = world.scenario.lasts.us() / 60_000_000,
    );
    checks(&mut page, outcome);
    figures(&mut page, outcome);
    let spreads: Vec<&Spread> = sorted(world);
    spread(&mut page, &spreads, outcome.figures.homes);
    distribution(&mut page, &spreads);
    over_time(&mut page, world, &spreads);
    who_knew(&mut page, world, &spreads);
    page.push_str("</html>\n");
    page
}

fn sorted(world: &World) -> Vec<&Spread> {
    let mut spreads: Vec<&Spread> = world.spreads.values().collect();
    spreads.sort_by_key(|spread| spread.made_us);
    spreads
}

fn checks(page: &mut String, outcome: &Outcome) {
    page.push_str("<h2>What must hold</h2><table>");
    for check in &outcome.checks {
        let (class, word) = if check.failures.is_empty() { ("good", "holds") } else { ("bad", "fails") };
        let why = check.failures.iter().map(|why| escaped(why)).collect::<Vec<_>>().join("<br>");
        let _ = write!(page, "<tr><td class=\"{class}\">{word}<td>{}<td>{why}", escaped(check.what));
    }
    page.push_str("</table>");
}

fn figures(page: &mut String, outcome: &Outcome) {
    let f = &outcome.figures;
    let rows = [
        ("reports", format!("{} ({} dated astray)", f.reports, f.stray)),
        ("known, of all pairs of report and home", format!("{:.2} %", f.known * 100.0)),
        ("from report to home", format!("p50 {:.0}, p99 {:.0}, at most {:.0} ms", f.p50_ms, f.p99_ms, f.max_ms)),
        ("copies of a report sent, for each home", format!("{:.2}", f.payloads)),
        (
            "gossip, exchanges, words between two, each home",
            format!("{:.0}, {:.0}, {:.0} B", f.gossip_bytes, f.exchange_bytes, f.direct_bytes),
        ),
        ("written, each home", format!("{:.0} commits, {:.0} B", f.commits, f.written_bytes)),
        ("nodes that run at the end", format!("{} of {}", f.running, f.homes)),
    ];
    page.push_str("<h2>Figures</h2><table>");
    for (name, figure) in rows {
        let _ = write!(page, "<tr><td>{name}<td class=\"n\">{figure}");
    }
    page.push_str("</table>");
}

/// The share of homes that know a report, by how old it is: the median report and the slowest tenth.
fn spread(page: &mut String, spreads: &[&Spread], homes: usize) {
    let ages_ms: Vec<u64> = (0..=60)
        .map(|step| 10_u64.pow(step / 10) * [10, 13, 16, 20, 25, 32, 40, 50, 63, 79][step as usize % 10] / 10)
        .collect();
    let share_at = |spread: &Spread, age_ms: u64| {
        let known = spread.known_us.values().filter(|at| **at - spread.made_us <= age_ms * 1_000).count();
        ratio(known, homes)
    };
    let mut median = Vec::new();
    let mut slow = Vec::new();
    for age_ms in &ages_ms {
        let mut shares: Vec<f64> = spreads.iter().map(|spread| share_at(spread, *age_ms)).collect();
        shares.sort_by(f64::total_cmp);
        let at = |place: usize| shares.get(place).copied().unwrap_or_default();
        median.push(at(shares.len() / 2));
        slow.push(at(shares.len() / 10));
    }
    let labels = [(0, "1 ms"), (10, "10 ms"), (20, "100 ms"), (30, "1 s"), (40, "10 s"), (50, "100 s"), (60, "1000 s")];
    page.push_str(
        "<h2>How a report spreads</h2><p class=\"soft\">Share of the homes that count it, by its age. \
                   Orange: half of the reports are faster; blue: nine tenths are.</p>",
    );
    let curves = [Curve { class: "a", values: &median }, Curve { class: "b", values: &slow }];
    page.push_str(&plot::curves(&curves, &labels, "reports over their age"));
}

fn distribution(page: &mut String, spreads: &[&Spread]) {
    let mut bins = [0_usize; 25];
    for spread in spreads {
        for at in spread.known_us.values() {
            let ms = (at - spread.made_us) / 1_000;
            let bin = usize::try_from(ms.max(1).ilog2()).unwrap_or(usize::MAX).min(bins.len() - 1);
            bins[bin] += 1;
        }
    }
    let names: Vec<String> = (0..bins.len()).map(|bin| plot::span_ms(1 << bin)).collect();
    page.push_str(
        "<h2>From a report to a home</h2><p class=\"soft\">Pairs of report and home, by how long it took: each bar \
                   begins at the time under it and ends at twice that.</p>",
    );
    page.push_str(&plot::bars(&bins, &names, "pairs by time"));
}

/// What is known of all that was made until then, over the time of the world.
fn over_time(page: &mut String, world: &World, spreads: &[&Spread]) {
    let (steps, homes, end_us) = (120, world.houses.len(), world.scenario.lasts.us().max(1));
    let mut values = Vec::with_capacity(steps + 1);
    for step in 0..=steps as u64 {
        let now_us = end_us * step / steps as u64;
        let made: Vec<&&Spread> = spreads.iter().take_while(|spread| spread.made_us <= now_us).collect();
        let known: usize = made.iter().map(|spread| spread.known_us.values().filter(|at| **at <= now_us).count()).sum();
        values.push(if made.is_empty() { 1.0 } else { ratio(known, made.len() * homes) });
    }
    let minutes = end_us / 60_000_000;
    let names: Vec<String> = (0..=4).map(|quarter| format!("{} min", minutes * quarter / 4)).collect();
    let labels: Vec<(usize, &str)> =
        names.iter().enumerate().map(|(at, name)| (at * steps / 4, name.as_str())).collect();
    page.push_str(
        "<h2>What the street knows</h2><p class=\"soft\">Of all reports made until then and all homes, the share of \
                   pairs in which the home knows the report. A cut shows as a dent, a heal as its end.</p>",
    );
    page.push_str(&plot::curves(&[Curve { class: "a", values: &values }], &labels, "known over time"));
}

/// A row for each home, a column for each report: the darker, the later it came; homes of one side of a cut together.
fn who_knew(page: &mut String, world: &World, spreads: &[&Spread]) {
    let mut rows: Vec<usize> = (0..world.houses.len()).collect();
    let side = |home: &usize| world.sides.get(home).copied().unwrap_or_default();
    rows.sort_by_key(|home| (side(home), *home));
    rows.truncate(MOST_ROWS);
    let columns = &spreads[..spreads.len().min(MOST_COLUMNS)];
    let sides: Vec<usize> = rows.iter().map(side).collect();
    let mut cells = Vec::with_capacity(rows.len() * columns.len());
    for home in &rows {
        for spread in columns {
            cells.push(spread.known_us.get(home).map(|at| (at - spread.made_us) / 1_000));
        }
    }
    page.push_str("<h2>Who knew what when</h2><p class=\"soft\">A row is a home, a column a report, in the order in which they were \
                   made. The stronger, the sooner it was known; empty: never. The bar at the left shows on which side of a cut a home \
                   stood.</p>");
    page.push_str(&plot::map(&cells, columns.len().max(1), &sides));
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
fn ratio(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn a_page_says_all_and_needs_nothing() {
        let text = include_str!("../../scenarios/partition.toml").replace("homes = 100", "homes = 12");
        let scenario = Scenario::read(&text).expect("a scenario");
        let scenario = Scenario { about: "<b>who & what</b>".to_owned(), ..scenario };
        let mut world = World::new(scenario, 1);
        world.run(|_| {});
        let outcome = Outcome::of(&mut world, 1);
        let page = page(&world, &outcome);
        assert!(page.contains(&outcome.trace) && page.contains("&lt;b&gt;who &amp; what"));
        assert_eq!(page.matches("<svg").count(), 4);
        assert!(!page.contains("http") && !page.contains("<script") && !page.contains("NaN"), "needs nothing");
        assert!(page.contains("class=\"other\""), "both sides of the cut are shown");
    }
}
