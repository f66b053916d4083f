//! What came out, for people and for programs.

use meerkat_core::trust::Rule;

use crate::{cost::Cost, rules::Shares};

/// What each rule makes of one attack.
pub(crate) struct Row {
    pub(crate) attack: &'static str,
    pub(crate) reporters: usize,
    pub(crate) sybils: u32,
    pub(crate) edges: usize,
    pub(crate) shares: Vec<(&'static str, Shares)>,
}

impl Row {
    fn ours(&self) -> Shares {
        self.shares.iter().find(|(name, _)| *name == "ours").map(|(_, s)| *s).unwrap_or_default()
    }
}

/// What one rule of ours costs and brings.
pub(crate) struct Bound {
    pub(crate) moved: u32,
    pub(crate) bound: u32,
    pub(crate) hops: u8,
    pub(crate) plain_12: f64,
    pub(crate) plain_30: f64,
    pub(crate) washed_12: f64,
    pub(crate) washed_30: f64,
    pub(crate) turned: f64,
    pub(crate) price: Option<usize>,
}

/// All of it.
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// Friendships that lead anywhere in the world of the attacks, in hundredths.
    pub(crate) moved: u32,
    pub(crate) bounds: Vec<Bound>,
    /// How many homes must be won over for half to block, with ten thousand made-up ones.
    pub(crate) price_of_many: Option<usize>,
    pub(crate) cost: Cost,
}

/// One goal: what was asked, what was measured, whether it is reached.
struct Goal(&'static str, String, bool);

impl Report {
    fn price(&self) -> Option<usize> {
        let used = |b: &&Bound| {
            b.moved == self.moved && (b.bound, b.hops) == (Rule::USED.first_hop_to_block, Rule::USED.hops_to_block)
        };
        self.bounds.iter().find(used).and_then(|bound| bound.price)
    }

    fn goals(&self) -> Vec<Goal> {
        let price = |price: Option<usize>| price.map_or("over 60".into(), |p| p.to_string());
        let reached = |price: Option<usize>| price.is_none_or(|p| p >= 25);
        let washed = self.rows.iter().filter(|r| r.attack == "whitewash" && r.edges == 5);
        let washed = washed.map(|r| r.ours().marked).fold(1.0, f64::min);
        let plain = self.rows.iter().find(|r| r.attack == "plain" && r.reporters == 30);
        let plain = plain.map_or(0.0, |r| r.ours().blocked);
        vec![
            Goal("homes to win over to smear half, 1,000 made up: >= 25", price(self.price()), reached(self.price())),
            Goal("the same, 10,000 made up: >= 25", price(self.price_of_many), reached(self.price_of_many)),
            Goal("whitewashed spam still marked, 5 edges: >= 0.97", format!("{washed:.3}"), washed >= 0.97),
            Goal("homes that block, 30 reporters, no attack: >= 0.95", format!("{plain:.3}"), plain >= 0.95),
            Goal(
                "deciding a call, 99.9 % of them: < 1 ms",
                format!("{:.3} ms", self.cost.most_ms),
                self.cost.most_ms < 1.0,
            ),
            Goal(
                "deciding a call from a number that 10,000 homes report, median: < 1 ms",
                format!("{:.3} ms", self.cost.slandered_ms),
                self.cost.slandered_ms < 1.0,
            ),
        ]
    }

    pub(crate) fn table(&self) {
        println!("Share of homes that block / that block or mark the number\n");
        print!("| attack | reporters | made up | edges |");
        self.rows[0].shares.iter().for_each(|(name, _)| print!(" {name} |"));
        println!("\n|---|---|---|---|{}", "---|".repeat(self.rows[0].shares.len()));
        for Row { attack, reporters, sybils, edges, shares } in &self.rows {
            print!("| {attack} | {reporters} | {sybils} | {edges} |");
            shares.iter().for_each(|(_, s)| print!(" {:.2} / {:.2} |", s.blocked, s.marked));
            println!();
        }
        println!(
            "\nOur rule with other bounds: the most that one first hop adds to a block, and how far words come that block\n"
        );
        println!(
            "| moved % | bound | hops | plain 12 | plain 30 | washed 12 | washed 30 | one turned home | price of half |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for b in &self.bounds {
            let price = b.price.map_or("> 60".into(), |p| p.to_string());
            println!(
                "| {} | {:.2} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.3} | {price} |",
                b.moved,
                f64::from(b.bound) / 100.0,
                b.hops,
                b.plain_12,
                b.plain_30,
                b.washed_12,
                b.washed_30,
                b.turned
            );
        }
        self.cost.table();
        println!("\n| goal | measured | reached |\n|---|---|---|");
        for Goal(what, measured, reached) in self.goals() {
            println!("| {what} | {measured} | {} |", if reached { "yes" } else { "no" });
        }
    }

    pub(crate) fn json(&self) {
        let shares = |s: &Shares| serde_json::json!({ "blocked": s.blocked, "marked": s.marked });
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|r| {
                let rules: serde_json::Map<_, _> = r.shares.iter().map(|(n, s)| ((*n).to_owned(), shares(s))).collect();
                serde_json::json!({
                    "attack": r.attack, "reporters": r.reporters, "sybils": r.sybils, "edges": r.edges, "rules": rules,
                })
            })
            .collect();
        let bounds: Vec<_> = self
            .bounds
            .iter()
            .map(|b| {
                serde_json::json!({
                    "moved_percent": b.moved, "first_hop_to_block_hundredths": b.bound, "hops_to_block": b.hops,
                    "plain_12": b.plain_12, "plain_30": b.plain_30, "washed_12": b.washed_12, "washed_30": b.washed_30,
                    "one_turned_home": b.turned, "price_of_half": b.price,
                })
            })
            .collect();
        let goals: Vec<_> = self
            .goals()
            .into_iter()
            .map(|Goal(goal, measured, reached)| serde_json::json!({ "goal": goal, "measured": measured, "reached": reached }))
            .collect();
        let all = serde_json::json!({
            "moved_percent": self.moved, "attacks": rows, "rules": bounds, "cost": self.cost.json(), "goals": goals,
        });
        println!("{all}");
    }
}
