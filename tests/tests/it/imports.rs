//! An import outlives a power cut, and an undone one does not come back.

use meerkat_tests::daemon::{Daemon, Setup};

const LISTED: &str = "+4930555001";

fn verdict(daemon: &Daemon) -> String {
    let check = daemon.cli_json(&["check", LISTED]);
    check["assessment"]["verdict"].as_str().expect("a verdict").to_owned()
}

#[test]
fn an_import_outlives_a_power_cut_and_an_undone_one_does_not_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let start = || Daemon::start(Setup { data: Some(data.clone()), ..Setup::default() });
    let file = folder.path().join("street.csv");
    let rows: String = (0..20_000).map(|n| format!("+493055{:05}\n", n + 40_000)).collect();
    std::fs::write(&file, format!("number\nnobody\n{LISTED}\n{rows}112\n")).expect("written");

    let mut daemon = start();
    assert_eq!(verdict(&daemon), "allow");
    let told = daemon.cli_json(&["import", &file.to_string_lossy()]);
    let lines: Vec<_> = told["bad_lines"].as_array().expect("lines").iter().map(|bad| bad["line"].as_u64()).collect();
    assert_eq!((lines, told["import"]["name"].as_str()), (vec![Some(2), Some(20_004)], Some("street")));
    let again = daemon.cli(&["import", &file.to_string_lossy()]);
    assert_eq!(again.status.code(), Some(65), "the name is taken");
    daemon.said(&["import", &file.to_string_lossy(), "--replace"]);
    daemon.kill();

    let mut daemon = start();
    assert_eq!(verdict(&daemon), "challenge");
    let listed = daemon.cli_json(&["import", "list"]);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["items"][0]["numbers"].as_u64(), Some(20_001), "{listed}");
    daemon.said(&["import", "undo", "street"]);
    daemon.kill();

    assert_eq!(verdict(&start()), "allow");
}
