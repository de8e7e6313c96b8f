import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.language import guess


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I went to the beach with my sister", "en"),
        ("Gestern war ich mit meiner Schwester im Kino", "de"),
        ("Je suis allé à la plage avec ma soeur hier", "fr"),
        ("El martes fui al cine con mi hermana y nos gustó mucho", "es"),
        ("Ieri sono andato al mare con i miei amici", "it"),
        ("Ontem eu fui à praia com minha irmã", "pt"),
        ("Ik ben gisteren naar het strand geweest met mijn zus", "nl"),
        ("Привет, как дела", "ru"),
        ("Привіт, як справи, ти їси", "uk"),
        ("昨日は湖に行きました", "ja"),
        ("我昨天去了湖边", "zh"),
        ("어제 호수에 갔어요", "ko"),
        ("เมื่อวานฉันไปทะเล", "th"),
        ("مرحبا كيف حالك", "ar"),
        ("سلام، چطوری؟", "fa"),
        ("שלום מה שלומך", "he"),
        ("Γεια σου τι κάνεις", "el"),
        ("कल मैं झील गया था", "hi"),
    ],
)
def test_sentences_are_recognised(text, language):
    assert guess(text) == language


@pytest.mark.parametrize("text", ["", "ok", "Paris", "12345", "🎉", "\ud800", "hello"])
def test_too_little_text_is_undetermined(text):
    assert guess(text) == "und"


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_gets_an_answer(text):
    assert 2 <= len(guess(text)) <= 3
