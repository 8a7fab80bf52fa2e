//! What a file of tokens may say, and what is said of a wrong one.

use super::super::mint;
use super::*;

fn parse(text: &str) -> Result<Tokens, String> {
    Tokens::parse(Path::new("tokens.toml"), text).map_err(|error| error.to_string())
}

#[test]
fn a_new_token_is_found_by_its_secret_alone_and_shown_by_nothing() {
    let first = mint("ci", &[Scope::Agent, Scope::Read], "team-a-").unwrap();
    let second = mint("ops", &[Scope::Admin], "").unwrap();
    assert_eq!(first.secret.len(), 3 + 64);
    assert_ne!(first.secret, second.secret);
    let tokens = parse(&format!("{}\n{}", first.entry, second.entry)).unwrap();
    let found = tokens.find(&first.secret).unwrap();
    assert_eq!((&*found.name, &*found.agent_prefix), ("ci", "team-a-"));
    assert!(found.has(Scope::Agent) && found.has(Scope::Read) && !found.has(Scope::Admin));
    let admin = tokens.find(&second.secret).unwrap();
    assert!([Scope::Agent, Scope::Read, Scope::Admin].into_iter().all(|scope| admin.has(scope)));
    for wrong in ["", "wf_", &first.secret[1..], &format!("{}0", first.secret), &first.secret.to_uppercase()]
    {
        assert!(tokens.find(wrong).is_none(), "{wrong}");
    }
    let shown = format!("{first:?} {tokens:?} {}", first.entry);
    assert!(!shown.contains(&first.secret) && !shown.contains(&first.secret[3..]), "{shown}");
}

#[test]
fn a_name_or_prefix_that_no_agent_could_have_is_refused() {
    assert!(mint("a b", &[Scope::Read], "").unwrap_err().contains("the name contains ' '"));
    assert!(mint("a", &[Scope::Agent], "x\"y").unwrap_err().contains("the prefix contains '\"'"));
    assert!(mint("a", &[Scope::Read], "x-").unwrap_err().contains("scope agent only"));
}

#[test]
fn all_that_is_wrong_is_told_with_its_place_and_no_secret_is_repeated() {
    let digest = "0".repeat(64);
    let told = parse(&format!(
        "[[tokens]]\nnam = \"ci\"\nname = \"c i\"\nsha256 = \"wf_secret\"\nscopes = [\"write\"]\n\
         [[tokens]]\nname = \"a\"\nsha256 = \"{digest}\"\nscopes = [\"read\"]\nagent_prefix = \"x\"\n\
         [[tokens]]\nname = \"a\"\nsha256 = \"{digest}\"\nscopes = []\n\
         [[tokens]]\n"
    ))
    .unwrap_err();
    for line in [
        "tokens.toml:2:1: tokens.nam is no known key; did you mean name?",
        "tokens.toml:3:8: tokens.name contains ' '",
        "tokens.toml:4:10: tokens.sha256 is no SHA-256",
        "tokens.toml:5:10: tokens.scopes is something else; allowed: a list of \"agent\", \"read\", \"admin\"",
        "tokens.toml:10:16: tokens.agent_prefix goes with the scope \"agent\" only",
        "tokens.toml:14:10: tokens.scopes",
        "tokens.toml:15:1: tokens.name is missing",
    ] {
        assert!(told.contains(line), "no {line} in\n{told}");
    }
    assert!(!told.contains("wf_secret"), "{told}");
}

#[test]
fn a_file_without_tokens_or_with_one_twice_is_refused() {
    let entry = mint("ci", &[Scope::Read], "").unwrap().entry;
    assert!(parse("").unwrap_err().contains("nobody could call"));
    assert!(parse("tokens = []\n").unwrap_err().contains("is empty"));
    assert!(parse("tokens = 3\n").unwrap_err().contains("is of the kind integer"));
    assert!(parse(&format!("{entry}{entry}")).unwrap_err().contains("is \"ci\" a second time"));
    let other = entry.replace("ci", "other");
    assert!(
        parse(&format!("{entry}{other}")).unwrap_err().contains("of \"other\" is that of \"ci\" as well")
    );
    assert!(parse("[[tokens]\n").unwrap_err().starts_with("tokens.toml:1:"));
}
