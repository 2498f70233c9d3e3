//! Cursors: one that parses has one text, belongs to one list of one owner, and shows what comes
//! after it.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tower_api_key::manage::{ManageError, PageCursor};
use tower_api_key_fuzz::management::Lists;

#[derive(Arbitrary, Debug)]
struct Input {
    base: Base,
    changes: Vec<Change>,
    limit: u8,
}

#[derive(Arbitrary, Debug)]
enum Base {
    Text(String),
    /// A cursor of a list, after so many items.
    Issued(u8, u8),
}

#[derive(Arbitrary, Debug)]
enum Change {
    Replace(u8, u8),
    Insert(u8, u8),
    Remove(u8),
    Upper,
}

thread_local! {
    static LISTS: Lists = Lists::new();
}

fuzz_target!(|input: Input| {
    LISTS.with(|lists| assert_cursor(lists, &input));
});

fn assert_cursor(lists: &Lists, input: &Input) {
    let text = match &input.base {
        Base::Text(text) => text.clone(),
        Base::Issued(list, after) => {
            let list = &lists.lists[usize::from(*list) % lists.lists.len()];
            lists.cursor(list, u32::from(after % 4) + 1).to_string()
        }
    };
    let text = changed(text, &input.changes);
    let cursor = match text.parse::<PageCursor>() {
        Ok(cursor) => cursor,
        Err(ManageError::StaleCursor) => return,
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(cursor.to_string(), text, "a cursor with another text");
    let limit = u32::from(input.limit);
    let own = |list| lists.cursor(list, 1).to_string();
    let list_of = |text: &str| text.split('.').next().map(str::to_owned);
    for list in &lists.lists {
        let belongs = list_of(&text) == list_of(&own(list));
        let page = lists.page(list, Some(&cursor), limit);
        assert_eq!(page.is_ok(), belongs, "{text} in {list:?}");
        match page {
            Err(code) => assert_eq!(code, "stale_cursor"),
            Ok((items, _)) => {
                assert!(items.iter().all(|item| item.owner == list.owner));
                assert_rest(lists, list, &cursor, &items, limit);
            }
        }
    }
}

/// The page is what of the whole list comes after the cursor.
fn assert_rest(
    lists: &Lists,
    list: &tower_api_key_fuzz::management::List,
    cursor: &PageCursor,
    items: &[tower_api_key::store::CredentialInfo],
    limit: u32,
) {
    let (all, _) = lists.page(list, None, 200).expect("the whole list");
    let text = cursor.to_string();
    let mut parts = text.split('.').skip(1);
    let at: i64 = parts.next().and_then(|at| at.parse().ok()).expect("a time");
    let id = parts.next().unwrap_or_default();
    let hex = |id: &str| {
        id.bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let after = all.into_iter().filter(|item| {
        let place = (item.created_at.0, hex(item.id.as_str()));
        place < (at, id.to_owned())
    });
    let wanted: Vec<_> = after.take(limit.clamp(1, 200) as usize).collect();
    assert_eq!(items, wanted, "after {text}");
}

fn changed(text: String, changes: &[Change]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for change in changes {
        let at = |at: &u8| usize::from(*at) % (text.len() + 1);
        match change {
            Change::Replace(place, c) => {
                let place = at(place);
                if let Some(old) = text.get_mut(place) {
                    *old = char::from(*c);
                }
            }
            Change::Insert(place, c) => text.insert(at(place), char::from(*c)),
            Change::Remove(place) => {
                let place = at(place);
                if place < text.len() {
                    text.remove(place);
                }
            }
            Change::Upper => text.iter_mut().for_each(|c| c.make_ascii_uppercase()),
        }
    }
    text.into_iter().collect()
}
