//! A tab of a browser, and what people do in it.

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, error::CmdError};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::{cdp::Extension, console::Console, driver::Driver};

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// Reports what the policy of a page has refused in the browser's log.
const WATCH: &str = "addEventListener('securitypolicyviolation', (event) => \
     console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));";

/// How a browser is set up.
pub(crate) struct Options {
    pub(crate) runs_scripts: bool,
    /// Whether questions of the browser itself, such as whether to leave, wait for the test.
    pub(crate) asks: bool,
    /// The browser's preferences.
    pub(crate) preferences: Value,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runs_scripts: true,
            asks: false,
            preferences: json!({}),
        }
    }
}

/// A tab of a browser that nothing else uses.
pub(crate) struct Tab {
    pub(crate) client: Client,
    /// Where the console is.
    site: RefCell<String>,
    pub(crate) runs_scripts: bool,
    profile: PathBuf,
    is_closed: Cell<bool>,
}

impl Tab {
    /// Starts a browser.
    pub(crate) async fn open_browser(driver: &Driver, console: &Console, options: Options) -> Self {
        let profile = driver.profile();
        let capabilities = capabilities(driver, &profile, &options);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect("a browser starts");
        let tab = Self {
            client,
            site: RefCell::new(site(console)),
            runs_scripts: options.runs_scripts,
            profile,
            is_closed: Cell::new(false),
        };
        let watch = json!({ "source": WATCH });
        tab.devtools("Page.addScriptToEvaluateOnNewDocument", watch)
            .await;
        let value = json!({ "value": !options.runs_scripts });
        tab.devtools("Emulation.setScriptExecutionDisabled", value)
            .await;
        tab.travel("UTC").await;
        tab
    }

    /// Closes the browser, in whose log there must be no violation of the policy and no error of a
    /// script. Returns its profile, with all that it has written. More than once is once.
    pub(crate) async fn close(&self) -> PathBuf {
        if !self.is_closed.replace(true) {
            self.assert_no_errors().await;
            self.client.clone().close().await.expect("it closes");
        }
        self.profile.clone()
    }

    /// Checks the browser's log.
    pub(crate) async fn assert_no_errors(&self) {
        let errors = self.errors().await;
        assert!(errors.is_empty(), "{errors:#?}");
    }

    /// Returns the errors that the browser's log has since the last time. A status of 400 or more
    /// is in it too, and expected.
    pub(crate) async fn errors(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Extension::log()).await.unwrap();
        let entries = log.as_array().expect("a list").iter();
        let errors =
            entries.filter(|entry| entry["source"] != "network" && entry["level"] == "SEVERE");
        errors.map(|entry| entry["message"].to_string()).collect()
    }

    /// Issues a command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let extension = Extension::devtools(command, &parameters);
        let answer = self.client.issue_cmd(extension).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Evaluates an expression in the page, also where the page itself runs no scripts.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let value = self.client.execute(&script, Vec::new()).await;
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Evaluates an expression that is a text.
    pub(crate) async fn eval_text(&self, expression: &str) -> String {
        let value = self.eval(expression).await;
        let text = value.as_str();
        text.unwrap_or_else(|| panic!("{expression}: {value}"))
            .to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, condition: &str) {
        let script = format!("return Boolean({condition});");
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Between two pages there is none to ask.
            let value = self.client.execute(&script, Vec::new()).await;
            if matches!(value, Ok(Value::Bool(true))) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "waited for {condition}: {value:?} at {}: {}",
                self.url().await,
                self.page_text().await
            );
            sleep(INTERVAL).await;
        }
    }

    /// Returns the origin of the console.
    pub(crate) fn site(&self) -> String {
        self.site.borrow().clone()
    }

    /// Uses another console from here on.
    pub(crate) fn move_to(&self, console: &Console) {
        self.site.replace(site(console));
    }

    /// Opens a path of the console.
    pub(crate) async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.site());
        self.client.goto(&url).await.expect("it opens");
    }

    pub(crate) async fn sign_in(&self, name: &str) {
        self.open(&format!("/sign-in-as/{name}")).await;
    }

    /// Signs in as somebody else in another tab, as far as this one can tell.
    pub(crate) async fn sign_in_beside(&self, name: &str) {
        let cookie = json!({ "name": "session", "value": name, "url": self.site() });
        self.devtools("Network.setCookie", cookie).await;
    }

    /// Lets the pages use the clipboard.
    pub(crate) async fn allow_clipboard(&self) {
        let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        let grant = json!({ "origin": self.site(), "permissions": permissions });
        self.devtools("Browser.grantPermissions", grant).await;
    }

    /// Returns the address of the page.
    pub(crate) async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// Returns path, query and fragment of the address.
    pub(crate) async fn path(&self) -> String {
        let url = self.url().await;
        url.strip_prefix(&self.site()).unwrap_or(&url).to_owned()
    }

    /// Finds an element as soon as there is one.
    pub(crate) async fn find(&self, selector: &str) -> Element {
        self.locate(Locator::Css(selector)).await
    }

    async fn locate(&self, locator: Locator<'_>) -> Element {
        let wait = self.client.wait().at_most(PATIENCE).every(INTERVAL);
        let found = wait.for_element(locator);
        match found.await {
            Ok(element) => element,
            Err(error) => panic!("{locator:?}: {error}: {}", self.page_text().await),
        }
    }

    /// Clicks an element as soon as there is one.
    pub(crate) async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.expect(selector);
    }

    /// Clicks the link or button, within the first element that matches, whose text begins so.
    pub(crate) async fn press(&self, text: &str) {
        let path =
            format!("//*[self::a or self::button][starts-with(normalize-space(.), \"{text}\")]");
        let element = self.locate(Locator::XPath(&path)).await;
        element.click().await.expect(text);
    }

    /// Opens the menu of a row in the list.
    pub(crate) async fn open_menu(&self, row: &str) {
        let details = format!("{row} details");
        if !self.shows(&format!("{details}[open]")).await {
            self.click(&format!("{row} summary")).await;
        }
    }

    /// Clicks a link or button in the menu of a row.
    pub(crate) async fn press_in(&self, row: &str, text: &str) {
        self.open_menu(row).await;
        let id = row.trim_start_matches("[id='").trim_end_matches("']");
        let path = format!(
            "//tr[@id='{id}']//*[self::a or self::button][starts-with(normalize-space(.), \
             \"{text}\")]"
        );
        let element = self.locate(Locator::XPath(&path)).await;
        element.click().await.expect(text);
    }

    /// Types a text into a field, in place of what is there.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.expect(selector);
        field.send_keys(text).await.expect(selector);
    }

    /// Chooses from a list by the value.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        self.click(&format!("{selector} option[value='{value}']"))
            .await;
    }

    /// Sets a day, as the browser's calendar does.
    pub(crate) async fn set_day(&self, selector: &str, day: &str) {
        self.find(selector).await;
        let script = "const [field, day] = [document.querySelector(arguments[0]), arguments[1]]; \
                      field.value = day; \
                      field.dispatchEvent(new Event('input', { bubbles: true }));";
        let arguments = vec![json!(selector), json!(day)];
        self.client.execute(script, arguments).await.unwrap();
    }

    /// Returns the text of an element, as it is in the document.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.find(selector).await;
        self.eval_text(&format!(
            "document.querySelector({}).textContent",
            json!(selector)
        ))
        .await
    }

    /// Returns the value of a field.
    pub(crate) async fn value(&self, selector: &str) -> String {
        self.find(selector).await;
        self.eval_text(&format!(
            "document.querySelector({}).value",
            json!(selector)
        ))
        .await
    }

    /// Returns the visible text of the page.
    pub(crate) async fn page_text(&self) -> String {
        let text = self
            .client
            .execute("return document.body.innerText;", Vec::new());
        let text: Result<Value, CmdError> = text.await;
        text.unwrap_or_default()
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Returns whether an element is there and visible.
    pub(crate) async fn shows(&self, selector: &str) -> bool {
        let visible = format!(
            "document.querySelector({})?.checkVisibility({{ visibilityProperty: true }}) ?? false",
            json!(selector)
        );
        self.eval(&visible).await == true
    }

    /// Waits until the page has this text.
    pub(crate) async fn see(&self, text: &str) {
        self.until(&format!(
            "document.body.innerText.includes({})",
            json!(text)
        ))
        .await;
    }

    /// Waits until an element with this selector has the focus.
    pub(crate) async fn see_focus_on(&self, selector: &str) {
        self.until(&format!(
            "document.activeElement.matches({})",
            json!(selector)
        ))
        .await;
    }

    /// Waits for a question of the browser itself, such as whether to leave.
    pub(crate) async fn see_question(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.client.get_alert_text().await.is_err() {
            assert!(Instant::now() < deadline, "the browser does not ask");
            sleep(INTERVAL).await;
        }
    }

    /// Returns the new secret that the page shows.
    pub(crate) async fn secret(&self) -> String {
        self.text("#secret").await
    }

    /// Creates a key or a token, and returns its secret, with the page that shows it.
    pub(crate) async fn create(&self, list: &str, name: &str) -> String {
        self.open(&format!("{list}/new")).await;
        self.type_into("#name", name).await;
        self.click("form button[type=submit]").await;
        self.secret().await
    }

    /// Goes on from a page with a secret, without copying it.
    pub(crate) async fn leave_secret(&self) {
        self.click("#done").await;
        self.until("!document.querySelector('#secret-dialog:has(#question[hidden])')")
            .await;
        if self.shows("#leave").await {
            self.click("#leave").await;
        }
        self.until("!document.getElementById('secret-dialog')")
            .await;
    }
}

fn site(console: &Console) -> String {
    format!("http://{}", console.address)
}

fn capabilities(
    driver: &Driver,
    profile: &std::path::Path,
    options: &Options,
) -> Map<String, Value> {
    let arguments = [
        "--headless=new".to_owned(),
        "--no-sandbox".into(),
        "--disable-dev-shm-usage".into(),
        "--disable-gpu".into(),
        "--no-first-run".into(),
        "--disable-background-networking".into(),
        "--disable-component-update".into(),
        "--force-color-profile=srgb".into(),
        "--window-size=1280,800".into(),
        format!("--user-data-dir={}", profile.display()),
    ];
    let mut all = json!({
        "browserName": "chrome",
        "unhandledPromptBehavior": "ignore",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "binary": driver.browser,
            "args": arguments,
            "prefs": options.preferences,
        },
    });
    if options.asks {
        // Otherwise the driver answers whether to leave a page.
        all["webSocketUrl"] = json!(true);
        all["unhandledPromptBehavior"] = json!({ "default": "ignore", "beforeUnload": "ignore" });
    }
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}
