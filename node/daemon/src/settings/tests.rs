use std::{collections::BTreeMap, fs, path::PathBuf};

use meerkat_sip::{BlockBy, Mode};
use serde_json::{Value, json};

use super::*;

/// A machine with nothing but a folder.
struct Machine {
    folder: tempfile::TempDir,
    around: Surroundings,
    flags: Flags,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_string_lossy().into_owned();
        let around = Surroundings {
            root: false,
            host_name: "cellar-pi".into(),
            variables: BTreeMap::from([("HOME".into(), home)]),
            etc: folder.path().join("etc"),
        };
        Self { folder, around, flags: Flags::default() }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn write(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it is ours");
        fs::write(&path, text).expect("it is ours");
        path
    }

    /// With `text` as the settings file.
    fn with(text: &str) -> Self {
        let mut machine = Self::new();
        machine.flags.config = Some(machine.write("config.toml", text));
        machine
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.around.variables.insert(name.into(), value.into());
        self
    }

    fn load(&self) -> Loaded {
        load(&self.flags, &self.around)
    }
}

fn item<'a>(loaded: &'a Loaded, key: &str) -> &'a Item {
    loaded.items.iter().find(|item| item.key == key).expect("it is shown")
}

/// The one problem: its line, words and remedy.
fn problem(loaded: &Loaded) -> (Option<usize>, &str, &str) {
    assert!(loaded.safe_mode);
    assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
    let problem = &loaded.problems[0];
    (problem.line, &problem.words, &problem.remedy)
}

const LINE: &str = r#"
[[line]]
name = "home"
mode = "registered"
registrar = "fritz.box"
user = "620"
auth_user = "meerkat"
password = "s3cret-words"
block = "hang-up"
hold_ms = 2500
pass_code = 486
allow_from = ["192.168.178.0/24", "10.0.0.1"]
"#;

#[test]
fn nothing_said_means_the_defaults() {
    let machine = Machine::new();
    let loaded = machine.load();
    assert_eq!((loaded.problems.as_slice(), loaded.safe_mode, &loaded.file), (&[][..], false, &None));
    let settings = loaded.settings;
    assert_eq!(settings.data, machine.path(".local/share/meerkat"));
    assert_eq!(settings.web.listen.to_string(), DEFAULT_WEB);
    assert_eq!(settings.network.listen, DEFAULT_LISTEN);
    assert_eq!(settings.network.relay, "trusted");
    assert!(settings.network.mdns && settings.network.peers.is_empty() && settings.lines.is_empty());
    assert_eq!((settings.node.name.as_str(), settings.node.place), ("cellar-pi", None));
    assert_eq!(settings.pins, Pins::default());
}

#[test]
fn the_defaults_pass_their_own_checks() {
    let text = format!("[network]\nlisten = {}\n[web]\nlisten = \"{DEFAULT_WEB}\"\n", json!(DEFAULT_LISTEN));
    assert_eq!(Machine::with(&text).load().problems, []);
}

#[test]
fn each_layer_overrides_the_one_below_and_is_remembered() {
    let mut machine = Machine::with("[web]\nlisten = \"127.0.0.1:1\"\nhosts = [\"a.lan\"]\n[log]\nlevel = \"warn\"\n");
    let file = machine.flags.config.clone().expect("it was written");
    let at = |line: usize| format!("{}:{line}", file.display());
    let loaded = machine.load();
    assert_eq!(loaded.settings.web.listen.port(), 1);
    assert_eq!((item(&loaded, "web.listen").origin, item(&loaded, "web.listen").place.clone()), ("file", at(2)));
    assert_eq!(item(&loaded, "log.level").place, at(5));
    assert_eq!((item(&loaded, "network.mdns").origin, &item(&loaded, "network.mdns").value), ("default", &json!(true)));

    machine = machine.variable("MEERKAT__WEB__LISTEN", "127.0.0.1:2").variable("MEERKAT__WEB__HOSTS", "b.lan, c.lan");
    let loaded = machine.load();
    assert_eq!(loaded.settings.web.listen.port(), 2);
    assert_eq!(loaded.settings.web.hosts, ["b.lan", "c.lan"]);
    assert_eq!(item(&loaded, "web.listen").origin, "environment");
    assert_eq!(item(&loaded, "web.listen").place, "MEERKAT__WEB__LISTEN");

    machine.flags.web = Some(([127, 0, 0, 1], 3).into());
    machine.flags.peers = vec!["/ip4/192.168.1.20/tcp/4787".into()];
    let loaded = machine.load();
    assert_eq!((loaded.settings.web.listen.port(), loaded.problems.len()), (3, 0));
    assert_eq!(loaded.settings.network.peers, machine.flags.peers);
    assert_eq!((item(&loaded, "web.listen").origin, item(&loaded, "web.listen").place.as_str()), ("flag", "--web"));
}

#[test]
fn what_is_wrong_above_leaves_what_is_right_below() {
    let machine = Machine::with("[web]\nlisten = \"127.0.0.1:1\"\n").variable("MEERKAT__WEB__LISTEN", "everywhere");
    let loaded = machine.load();
    assert_eq!(loaded.settings.web.listen.port(), 1);
    let (line, words, remedy) = problem(&loaded);
    assert_eq!((line, loaded.problems[0].file.as_str()), (None, "MEERKAT__WEB__LISTEN"));
    assert!(words.contains("`everywhere` is not an address"), "{words}");
    assert!(remedy.contains("127.0.0.1:8780"), "{remedy}");
}

#[test]
fn broken_syntax_names_the_line_and_everything_is_default() {
    let machine =
        Machine::with("[web]\nlisten = \"127.0.0.1:1\"\n[node]\nname = Cellar\npassword = \"s3cret-words\"\n");
    let loaded = machine.load();
    let (line, words, remedy) = problem(&loaded);
    assert_eq!((line, loaded.problems[0].file.clone()), (Some(4), machine.path("config.toml").display().to_string()));
    assert!(words.contains("not TOML") && remedy.contains("quotes") && !words.contains("s3cret"), "{words}; {remedy}");
    assert_eq!(loaded.settings.web.listen.to_string(), DEFAULT_WEB);
}

#[test]
fn an_unknown_setting_is_named_with_the_one_probably_meant() {
    for (text, line, hint) in [
        ("[web]\nlisen = \"127.0.0.1:1\"\n", 2, "`listen` in [web]"),
        ("\n\n[netwrok]\nmdns = false\n", 3, "network"),
        ("mdns = false\n", 1, "`mdns` in [network]"),
        ("[web]\nzzz = 1\n", 2, "config show"),
        ("[[line]]\nname = \"a\"\nmode = \"direct\"\nholdms = 3\n", 4, "`hold_ms`"),
    ] {
        let loaded = Machine::with(text).load();
        let (at, words, remedy) = problem(&loaded);
        assert_eq!(at, Some(line), "{text}");
        assert!(words.contains("no setting") && remedy.contains(hint), "{words}; {remedy}");
    }
    let loaded = Machine::new().variable("MEERKAT__WEB__LISEN", "x").load();
    assert!(problem(&loaded).2.contains("`listen` in [web]"));
}

#[test]
fn a_wrong_kind_or_range_names_line_and_remedy_and_the_default_holds() {
    for (text, line, remedy) in [
        ("[web]\nlisten = 8780\n", 2, "address and a port"),
        ("[web]\nhosts = \"meerkat.lan\"\n", 2, "brackets"),
        ("[web]\nhosts = [\"http://meerkat.lan\"]\n", 2, "without http"),
        ("[network]\nmdns = \"yes\"\n", 2, "true or false"),
        ("[network]\nrelay = \"friends\"\n", 2, "trusted"),
        ("[network]\npeers = [\"192.168.1.1:4787\"]\n", 2, "/ip4/"),
        ("[network]\nlisten = [\"/ip4/0.0.0.0/tcp/4787/http\"]\n", 2, "/ip4/"),
        ("[node]\nname = \"\"\n", 2, "1 to 60"),
        ("[node]\nlatitude = 91\nlongitude = 1\n", 2, "-90 to 90"),
        ("[node]\nlatitude = 48.2\n", 2, "add `longitude`"),
        ("[wishes]\nregion = \"Germany\"\n", 2, "two letters"),
        ("[wishes]\nanonymous = \"blok\"\n", 2, "did you mean \"block\""),
        ("[log]\nlevel = 3\n", 2, "debug"),
        ("data = \"\"\n", 1, "path"),
        ("web = \"127.0.0.1:1\"\n", 1, "[web]"),
        ("[line]\nname = \"a\"\n", 1, "[[line]]"),
        ("line = 3\n", 1, "[[line]]"),
    ] {
        let loaded = Machine::with(text).load();
        let of_line: Vec<_> = loaded.problems.iter().filter(|p| p.line == Some(line)).collect();
        assert!(of_line.iter().any(|p| p.remedy.contains(remedy)), "{text}: {:?}", loaded.problems);
        assert_eq!(loaded.settings.web.listen.to_string(), DEFAULT_WEB);
        assert_eq!(loaded.settings.log_level, "info");
    }
}

#[test]
fn a_file_that_is_missing_huge_or_no_text_is_a_problem_and_no_more() {
    let mut machine = Machine::new();
    machine.flags.config = Some(machine.path("nowhere.toml"));
    assert!(problem(&machine.load()).2.contains("--config"));
    let huge = Machine::with(&"# words\n".repeat(200_000));
    assert!(problem(&huge.load()).1.contains("1 MiB"));
    let machine = Machine::with("");
    fs::write(machine.path("config.toml"), [0xff, 0xfe, 0]).expect("it is ours");
    assert!(problem(&machine.load()).2.contains("UTF-8"));
}

#[test]
fn the_file_is_looked_for_in_order() {
    let mut machine = Machine::new();
    let data = machine.write(".local/share/meerkat/config.toml", "");
    assert_eq!(machine.load().file, Some(data));
    let own = machine.write(".config/meerkat/config.toml", "");
    assert_eq!(machine.load().file, Some(own));
    let etc = machine.write("etc/meerkat/config.toml", "");
    machine.around.root = true;
    assert_eq!(machine.load().file, Some(etc));
    let beside = machine.write("second/config.toml", "");
    machine.flags.data = Some(machine.path("second"));
    assert_eq!(machine.load().file, Some(beside));
    let named = machine.write("named.toml", "");
    machine = machine.variable("MEERKAT__CONFIG", &named.to_string_lossy());
    assert_eq!(machine.load().file, Some(named));
    assert_eq!(machine.load().problems, []);
}

#[test]
fn root_keeps_its_data_where_services_do() {
    let mut machine = Machine::new();
    machine.around.root = true;
    assert_eq!(machine.load().settings.data, PathBuf::from("/var/lib/meerkat"));
    let machine = Machine::new().variable("XDG_DATA_HOME", "/srv/x");
    assert_eq!(machine.load().settings.data, PathBuf::from("/srv/x/meerkat"));
}

#[test]
fn a_relative_folder_of_the_file_begins_at_the_file() {
    let machine = Machine::with("data = \"kept\"\n");
    assert_eq!(machine.load().settings.data, machine.path("kept"));
}

#[test]
fn a_line_is_read_whole_and_its_password_shown_by_nobody() {
    let loaded = Machine::with(LINE).load();
    assert_eq!(loaded.problems, []);
    let line = &loaded.settings.lines[0];
    assert_eq!(
        (line.name.as_str(), line.block, line.hold_ms, line.pass_code),
        ("home", BlockBy::AnswerAndHangUp, 2500, 486)
    );
    assert_eq!((line.allow_from.len(), line.bind.port()), (2, 0));
    let Mode::Registered(account) = &line.mode else { panic!("it has an account") };
    assert_eq!((account.registrar.as_str(), account.user.as_str()), ("fritz.box", "620"));
    assert_eq!(item(&loaded, "line.home.password").value, Value::from("set"));
    assert_eq!(item(&loaded, "line.home.user").value, Value::from("620"));
    let everything = format!("{loaded:?}{}", serde_json::to_string(&loaded.items).expect("plain values"));
    assert!(!everything.contains("s3cret"), "{everything}");
}

#[test]
fn a_password_may_stand_in_a_file_of_its_own() {
    let text = LINE.replace("password = \"s3cret-words\"", "password_file = \"line.secret\"");
    let machine = Machine::with(&text);
    let loaded = machine.load();
    let (line, words, remedy) = problem(&loaded);
    assert_eq!(line, Some(8));
    assert!(words.contains("line.home.password_file") && remedy.contains("readable"), "{words}; {remedy}");
    assert!(loaded.settings.lines.is_empty());
    machine.write("line.secret", "s3cret-words\n");
    let loaded = machine.load();
    assert_eq!((loaded.settings.lines.len(), loaded.safe_mode), (1, false));
    assert!(!format!("{loaded:?}").contains("s3cret"));
}

#[test]
fn a_wrong_line_is_left_out_and_the_others_work() {
    for (from, to, at, hint) in [
        ("mode = \"registered\"\n", "mode = \"registred\"\n", 4, "did you mean \"registered\""),
        ("mode = \"registered\"\n", "", 2, "mode = "),
        ("user = \"620\"\n", "", 2, "user"),
        ("user = \"620\"\n", "user = 620\n", 6, "quotes"),
        ("password = \"s3cret-words\"\n", "", 2, "password_file"),
        ("password = \"s3cret-words\"\n", "password = \"\"\n", 8, "password"),
        ("registrar = \"fritz.box\"", "registrar = \"sip:fritz.box\"", 5, "router's name"),
        ("hold_ms = 2500", "hold_ms = 60000", 10, "0 to 30000"),
        ("pass_code = 486", "pass_code = 603", 11, "480"),
        ("block = \"hang-up\"", "block = \"600\"", 9, "607"),
        ("\"10.0.0.1\"", "\"router\"", 12, "192.168.178.0/24"),
        ("name = \"home\"\n", "name = \"home\"\nbind = \"5060\"\n", 4, "address and a port"),
        ("mode = \"registered\"", "mode = \"direct\"", 5, "registered"),
    ] {
        let text = format!("{}[[line]]\nname = \"fork\"\nmode = \"direct\"\n", LINE.replace(from, to));
        let loaded = Machine::with(&text).load();
        assert!(loaded.safe_mode);
        assert!(
            loaded.problems.iter().any(|p| p.line == Some(at) && p.remedy.contains(hint)),
            "{to}: {:?}",
            loaded.problems
        );
        let names: Vec<_> = loaded.settings.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["fork"], "{to}");
        assert_eq!(loaded.settings.lines[0].bind.port(), 5060);
    }
    let twice = Machine::with(&format!("{LINE}{LINE}")).load();
    assert_eq!((twice.settings.lines.len(), problem(&twice).0), (1, Some(14)));
}

#[test]
fn wishes_can_be_pinned() {
    let loaded = Machine::with("[wishes]\nregion = \"at\"\nanonymous = \"block\"\n").load();
    let pins = Pins { region: Some("AT".into()), anonymous: Some(Verdict::Block), invalid: None };
    assert_eq!((loaded.settings.pins, loaded.safe_mode), (pins, false));
}

#[test]
fn the_data_folder_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    let folder = machine.path("a/b");
    prepare_data(&folder).expect("it is ours");
    prepare_data(&folder).expect("it is there");
    assert_eq!(fs::metadata(&folder).expect("it is there").permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(&folder).expect("it is ours").count(), 0);
}

#[test]
fn a_folder_that_cannot_be_used_is_told_with_a_remedy() {
    let machine = Machine::new();
    let file = machine.write("file", "");
    let fault = prepare_data(&file.join("below")).expect_err("a file is no folder").to_string();
    assert!(fault.contains("cannot be created") && fault.contains("--data"), "{fault}");
}

#[test]
fn a_problem_reads_as_one_line() {
    let loaded = Machine::with("[web]\nlisten = 8780\n").load();
    let words = loaded.problems[0].to_string();
    assert!(words.contains("config.toml:2: `web.listen` does not fit: it is a number; write an IP"), "{words}");
}

#[test]
fn the_example_in_the_manual_is_right_and_names_every_setting() {
    let manual = include_str!("../../../../design/settings.md");
    let example = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let machine = Machine::with(example);
    machine.write("fritz.secret", "s3cret-words\n");
    let loaded = machine.load();
    assert_eq!((loaded.problems.as_slice(), loaded.settings.lines.len()), (&[][..], 2));
    for key in KEYS.iter().map(|key| key.rsplit('.').next().unwrap_or(key)).chain(lines::LINE_KEYS) {
        assert!(example.contains(&format!("{key} = ")), "{key}");
    }
    assert!(loaded.items.iter().filter(|item| item.key.starts_with("line.")).all(|item| item.origin == "file"));
}
