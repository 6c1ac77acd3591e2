//! The compiled matcher finds what the plain one finds.

use flowdrift_tests::matching::oracle;

#[test]
fn the_compiled_matcher_finds_what_the_plain_one_finds() {
    let compared = oracle::compare(1, 150, 400);
    println!("{compared:?}");
    assert!(compared.matching * 6 > compared.pairs, "hardly anything fits: {compared:?}");
    assert!(compared.several * 12 > compared.pairs, "hardly anything is shared: {compared:?}");
    assert!(compared.near * 40 > compared.pairs, "hardly anything almost fits: {compared:?}");
    assert!(compared.by_name * 100 > compared.pairs, "names hardly matter: {compared:?}");
}
