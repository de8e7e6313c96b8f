"""Texts on which two runtimes of one model must agree before the faster one is believed."""

_SENTENCES = (
    "",
    " ",
    "\n",
    "a",
    "?",
    "0",
    "ok thanks",
    "Hi!",
    "[8 May 2023] Maria: I adopted a puppy last week.",
    "When did Caroline go to the support group?",
    "She moved from Lisbon to Kraków in 2019; her brother stayed.",
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG",
    "the quick brown fox jumps over the lazy dog",
    "Prices rose 3.7 % to €1,299.00 (incl. VAT) — see §4.2, p. 17.",
    "https://example.org/a/b?c=d&e=%20f#g",
    "maria.lopez@example.org wrote on 2024-02-29T23:59:60Z",
    "SELECT * FROM memory WHERE tenant_id = :tenant;",
    "def encode(self, texts): return [self.model(t) for t in texts]",
    '{"role": "user", "content": "remember this"}',
    "Straße, Übermut, naïve façade, coöperate, smörgåsbord",
    "Привет, как дела? Мы встретились в мае.",
    "私は昨日、東京で古い友人に会いました。",
    "我们明年夏天去北京旅行。",
    "저는 다음 주에 새 일을 시작합니다.",
    "مرحبا، سأسافر إلى القاهرة غدًا",
    "שלום, נפגשים מחר בבוקר",
    "नमस्ते, मैं कल दिल्ली जा रहा हूँ",
    "สวัสดี พรุ่งนี้เจอกัน",
    "Γειά σου, τι κάνεις;",
    "Xin chào, hẹn gặp lại vào thứ Hai.",
    "😀🎉👩‍👩‍👧‍👦 party at 8 🕗",
    "e\u0301 and é, \u200b zero\u200dwidth, \ufeffmark",
    "tab\tseparated\tvalues",
    "line one\nline two\r\nline three",
    "nul\x00byte and \x07 bell",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝕞𝕒𝕥𝕙 ∑∫√≈≠",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "antidisestablishmentarianism pneumonoultramicroscopic",
    "...!!!???",
    "- [x] buy milk\n- [ ] call the dentist\n- [ ] renew passport",
    "No.",
    "He said: “I never liked the sea.”",
    "My blood type is 0 negative and I am allergic to penicillin.",
    "x = (a + b)² / √(c³ − d)",
    "1 2 3 4 5 6 7 8 9 10",
)

_PARAGRAPH = (
    "Last autumn we drove along the coast with two tents and a stove that never worked. Every evening somebody told "
    "the story of the lighthouse keeper who answered letters from sailors he had never met, and every evening the "
    "ending was different. Daniel wrote the versions down; he still plans to make a book of them for his daughter. "
)

VARIED_TEXTS: tuple[str, ...] = (
    *_SENTENCES,
    *(_PARAGRAPH[: 40 * step] for step in (2, 4, 6)),
    _PARAGRAPH,
    _PARAGRAPH * 3,  # close to a window of 256 tokens
    _PARAGRAPH * 6,  # beyond it
    _PARAGRAPH * 40,  # far beyond every window
    "私は昨日、東京で古い友人に会いました。" * 40,
    "word " * 1000,
)
"""Over fifty: nearly empty, short, long, many scripts, code, control characters, lengths that fill several batches."""
