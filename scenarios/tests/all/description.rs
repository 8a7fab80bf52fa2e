//! Descriptions of dialects: every fault is told with its line and a remedy, and scenarios find their files.

use crate::rendered;

const GOOD: &str = r#"name = "mine"

[register]
method = "POST"
path = "/agents/{agent_id}"
body = '''{ "port": "{endpoint_port as number}" }'''

[list]
method = "GET"
path = "/agents"
agents = "/agents"
id = "/id"
status = "/state"
statuses = { up = "healthy" }
"#;

#[test]
fn a_good_description_is_read() {
    let description = scenarios::description::parse("good.toml", GOOD).unwrap();
    assert_eq!((description.name.as_str(), description.register.method), ("mine", "POST"));
    assert!(description.renew.is_none() && !description.durable);
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_a_remedy() {
    let rows: [(&str, &str, u32, &[&str]); 17] = [
        ("name = \"mine\"", "nam = \"mine\"", 1, &["no key `nam`", "did you mean `name`"]),
        ("[register]", "[register]\nverb = 1", 4, &["no key `verb`", "known here"]),
        ("\"POST\"", "\"SEND\"", 4, &["no method `SEND`", "`PUT`"]),
        ("method = \"POST\"\n", "", 3, &["no `method`", "add"]),
        ("{agent_id}", "{agentid}", 5, &["`{agentid}`", "did you mean `agent_id`"]),
        ("\"/agents/{agent_id}\"", "\"agents\"", 5, &["no path", "/agents/{agent_id}"]),
        ("}'''", "'''", 6, &["no JSON", "as number"]),
        ("endpoint_port as", "endpoint_pot as", 6, &["`{endpoint_pot}`", "did you mean `endpoint_port`"]),
        ("path = \"/agents\"\n", "path = \"/{agent_id}\"\n", 10, &["stands for nothing", "by everybody"]),
        ("id = \"/id\"", "id = \"a.b\"", 12, &["no JSON pointer", "\"/a/b\""]),
        ("\"healthy\"", "\"alive\"", 14, &["cannot mean `alive`", "`healthy`"]),
        ("statuses = { up = \"healthy\" }\n", "", 8, &["no `statuses`", "expired"]),
        ("[register]", "[register]\nanswers = { 2x = \"left\" }", 4, &["`2x` is no status", "4xx"]),
        ("[register]", "[register]\nanswers = { 200 = \"lef\" }", 4, &["cannot mean `lef`", "`left`"]),
        (
            "[register]",
            "[register]\nwhen = [{ pointer = \"/a\", means = \"left\" }]",
            4,
            &["not one thing to look for", "absent = true"],
        ),
        ("[register]", "[register]\nheaders = { \"a b\" = \"c\" }", 4, &["no header", "one line"]),
        ("name = \"mine\"", "name = \"mine\"\nabilities = { durable = 1 }", 2, &["not true or false"]),
    ];
    for (good, bad, line, words) in rows {
        assert!(GOOD.contains(good), "{good}");
        let text = GOOD.replacen(good, bad, 1);
        let error = scenarios::description::parse("bad.toml", &text).expect_err(bad);
        let shown = rendered(&error);
        assert!(shown.contains(&format!("bad.toml:{line}:")), "{bad}: line {line} in\n{shown}");
        for word in words {
            assert!(shown.replace("\n  │", "").contains(word), "{bad}: {word:?} in\n{shown}");
        }
    }
}

#[test]
fn a_scenario_finds_the_description_beside_the_file_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let write = |path: &std::path::Path, text: &str| std::fs::write(path, text).unwrap();
    write(&inner.join("mine.toml"), GOOD);
    let base = crate::GOOD.replacen(
        "kind = \"reference\"",
        "kind = \"url\"\nurl = \"http://127.0.0.1:1\"\ndialect = \"mine.toml\"\ntransition_bound = \"1s\"",
        1,
    );
    write(&inner.join("base.toml"), &base);
    let upper = folder.path().join("upper.toml");
    write(&upper, "extends = \"inner/base.toml\"\nname = \"upper\"\n");
    let found = scenarios::load(&upper, &[]).unwrap_or_else(|error| panic!("{}", rendered(&error)));
    assert_eq!(std::path::Path::new(&found.target.dialect), inner.join("mine.toml"));

    let elsewhere = inner.join("mine.toml").display().to_string();
    let set = format!("target.dialect={elsewhere}");
    assert_eq!(scenarios::load(&upper, &[set]).unwrap().target.dialect, elsewhere);
    let error = scenarios::load(&upper, &["target.dialect=none.toml".to_owned()]).unwrap_err();
    assert!(rendered(&error).contains("there is no file `none.toml`"), "{}", rendered(&error));
    write(&inner.join("mine.toml"), &GOOD.replace("POST", "SEND"));
    let shown = rendered(&scenarios::load(&upper, &[]).unwrap_err());
    assert!(shown.contains("mine.toml:4:") && shown.contains("no method `SEND`"), "{shown}");
}

const PAGE: &str = include_str!("../../../docs/dialects.md");

#[test]
fn the_example_of_the_page_is_good() {
    let example = PAGE.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let description = scenarios::description::parse("my-registry.toml", example)
        .unwrap_or_else(|error| panic!("{}", rendered(&error)));
    assert_eq!(description.name, "my-registry");
}

#[test]
fn the_page_names_every_key_and_every_placeholder() {
    let places = [
        ("name = \"mine\"", "name = \"mine\"\nzzzzzzzz = 1"),
        ("[register]", "[register]\nzzzzzzzz = 1"),
        ("[list]", "[list]\nzzzzzzzz = 1"),
        ("[register]", "[abilities]\nzzzzzzzz = 1\n[register]"),
        ("[register]", "[register]\nwhen = [{ zzzzzzzz = 1 }]"),
    ];
    let page = PAGE.split("## A description in TOML").nth(1).unwrap();
    for (good, bad) in places {
        let error = scenarios::description::parse("bad.toml", &GOOD.replacen(good, bad, 1)).unwrap_err();
        let shown = rendered(&error).replace("\n  │", "");
        let known = shown.split("known here:").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
        let keys: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        assert!(keys.len() > 4, "{known}");
        for key in keys {
            let named = [format!("`{key}`"), format!("`[{key}]`"), format!("`{key} = ")];
            assert!(named.iter().any(|name| page.contains(name)), "{key}");
        }
    }
    for placeholder in scenarios::description::PLACEHOLDERS {
        assert!(page.contains(&format!("`{{{placeholder}}}`")), "{placeholder}");
    }
}
