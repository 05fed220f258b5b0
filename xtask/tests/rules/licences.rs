//! Licences, bans and sources, enforced on what `cargo metadata` resolves. `deny.toml` is the one list, for this test
//! and for `cargo deny`.

use crate::{metadata, none, text};

fn strings(value: &toml::Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Crates that name a file in place of an expression, with what the file says. Read by hand at that version.
const READ_BY_HAND: [(&str, &str, &str); 1] = [("implied-vol", "2.1.0", "MIT")];

#[test]
fn dependencies_have_allowed_licences_and_sources_and_none_is_banned() {
    let deny: toml::Table = text("deny.toml").parse().unwrap();
    let allowed = strings(&deny["licenses"]["allow"]);
    let banned: Vec<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["crate"].as_str().unwrap()).collect();
    let registries = strings(&deny["sources"]["allow-registry"]);

    let mut findings = Vec::new();
    for package in metadata(&[])["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let by_hand = READ_BY_HAND.iter().find(|(known, version, _)| *known == name && package["version"] == *version);
        match package["license"].as_str().or(by_hand.map(|(_, _, licence)| *licence)) {
            None => findings.push(format!("{name}: names no licence")),
            Some(licence) if !allows(licence, &allowed) => findings.push(format!("{name}: `{licence}` is not allowed")),
            Some(_) => {}
        }
        if banned.contains(&name) {
            findings.push(format!("{name}: banned, see deny.toml"));
        }
        // A crate of this workspace has no source.
        let source = package["source"].as_str().map(|source| source.trim_start_matches("registry+"));
        if let Some(source) = source.filter(|source| !registries.iter().any(|registry| registry == source)) {
            findings.push(format!("{name}: comes from {source}"));
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            if package["source"].is_null() && dependency["req"] == "*" && dependency["path"].is_null() {
                findings.push(format!("{name}: takes any version of {}", dependency["name"]));
            }
        }
    }
    none("licences, bans and sources", &findings);
}

/// Whether a choice in an SPDX expression leaves only allowed licences.
fn allows(expression: &str, allowed: &[String]) -> bool {
    // `MIT/Apache-2.0` is the old way to write OR; an exception (`WITH …`) only gives more rights.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens = spaced.split_whitespace().peekable();
    let good = any_of(&mut tokens, allowed);
    assert!(tokens.next().is_none(), "`{expression}` is no SPDX expression");
    good
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut good = all_of(tokens, allowed);
    while tokens.next_if_eq(&"OR").is_some() {
        good |= all_of(tokens, allowed);
    }
    good
}

fn all_of(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut good = one(tokens, allowed);
    while tokens.next_if_eq(&"AND").is_some() {
        good &= one(tokens, allowed);
    }
    good
}

fn one(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    if tokens.next_if_eq(&"(").is_some() {
        let good = any_of(tokens, allowed);
        assert_eq!(tokens.next(), Some(")"), "a parenthesis is not closed");
        return good;
    }
    let good = tokens.next().is_some_and(|licence| allowed.iter().any(|allowed| allowed == licence));
    if tokens.next_if_eq(&"WITH").is_some() {
        tokens.next();
    }
    good
}

#[test]
fn spdx_expressions_are_read_with_their_precedence() {
    let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned(), "Unicode-3.0".to_owned()];
    for good in
        ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(allows(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 OR MIT AND GPL-2.0", "MIT-0"] {
        assert!(!allows(bad, &allowed), "{bad}");
    }
}
