//! The example of the README compiles and does what it says.

use stagegate_sdk::testing::Fake;

include!("readme/example.rs");

#[test]
fn the_readme_shows_this_example() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains(include_str!("readme/example.rs")), "copy readme/example.rs into the README");
}

#[test]
fn the_full_name_follows_its_parts() {
    let org = Fake::new();
    let ada = org.add(Contact { firstname: "Ada".into(), lastname: "Byron".into(), ..default() });
    let married = Contact { lastname: "Lovelace".into(), ..default() };
    assert!(org.run::<full_name>(ada, married).unwrap().fullname.is("Ada Lovelace"));
    let nameless = Contact { lastname: Field::null(), ..default() };
    assert_eq!(org.run::<full_name>(ada, nameless).err().unwrap().message(), "a contact needs a last name");
}
