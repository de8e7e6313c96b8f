"""What a query asks, and what is only written around it."""

from datetime import UTC, datetime
from time import thread_time

import pytest

from retrieval.framing import LONGEST, Framed, asked_in

DAY = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("Answer the following question based on the conversation: When did Ana go?", "When did Ana go?"),
        ("When did she go? Please answer in one sentence.", "When did she go?"),
        ("When did she go? Be brief. Answer in French. Thanks!", "When did she go?"),
        ("Question: When did she go?\nAnswer:", "When did she go?"),
        ("User: Where do I live?\nAssistant:", "Where do I live?"),
        ("My next question is: where do I live?", "where do I live?"),
        ("Q: dog name?", "dog name?"),
        ("Where do I live? Please answer:", "Where do I live?"),
        ("List what I said of bees, in order. Mention ONLY five items.", "List what I said of bees, in order."),
        ('{"question": "When did she go?", "context": "none"}', "When did she go?"),
        ('{"role": "user", "content": "When did she go?"}', "When did she go?"),
        ("Do you remember: when did she go?", "when did she go?"),
        ("Do you remember: I ended up volunteering, and now I'm tired.", "I ended up volunteering, and now I'm tired."),
        ("Can you remind me: my trip to Rome", "my trip to Rome"),
        ("Hey, quick question: when did she go?", "when did she go?"),
        ("So, what's next?", "what's next?"),
        ("I was wondering what my car is called?", "what my car is called?"),
        ("Based on our past conversations, what do I eat?", "what do I eat?"),
        ("From the chat history, can you tell me where I live? Thanks!", "where I live?"),
        ("You are a helpful assistant. Use the context below to answer. Where do I live?", "Where do I live?"),
        ("If you don't know the answer, say so. Where do I live?", "Where do I live?"),
        ("### Question:\nWhere do I live?\n### Answer:", "Where do I live?"),
        ('The user asks: "where do I live?"', "where do I live?"),
        ("Search my memory: where do I live?", "where do I live?"),
        ("In our chat history, what did I say?", "what did I say?"),
        ("Where do I live? (answer in one word)", "Where do I live?"),
        (
            "Here are some memories.\n- Ana lives in Rome.\n\n**Question:** Where does Bo live?\nAnswer in one word.",
            "Where does Bo live?",
        ),
        ("Could you please tell me something? Q1: Where do I live?", "Where do I live?"),
        ("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWhere do I live?<|im_end|>\n", "Where do I live?"),
        ('tool: search\nparams:\n  query: "Where do I live?"\n  limit: 5', "Where do I live?"),
        ("<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nWhere do I live? [/INST]", "Where do I live?"),
        ("[INST] Where do I live? [/INST]", "Where do I live?"),
        ("Context:\n\nQuestion: Where do I live?\nHelpful Answer:", "Where do I live?"),
        ("Where do I live? Answer in a warm tone, without saying that you looked it up.", "Where do I live?"),
        (
            "Where do I live?\n\n## Instructions\n\n- Be concise\n- Cite your sources\n- Do not guess\n",
            "Where do I live?",
        ),
        ("Where do I live?\noutput: answer in one word", "Where do I live?"),
        ("Sub question 1 of 2: Where do I live?", "Where do I live?"),
        ("<context>none</context><question>Where do I live?</question>", "Where do I live?"),
        ('[{"role": "system", "content": "Hi."}, {"role": "user", "content": "Where do I live?"}]', "Where do I live?"),
        ("Find memories about: Where do I live?", "Where do I live?"),
        ("Think step by step. Don't make things up. Where do I live?", "Where do I live?"),
    ],
)
def test_what_is_written_around_a_question_is_left_out(query: str, asked: str) -> None:
    assert asked_in(query) == Framed(asked)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("user: I live in Rome\nassistant: nice\nuser: where do I work?", "where do I work?"),
        ("User: Hi!\nAI: Hello!\nUser: I feel tired of my job.", "I feel tired of my job."),
        ("**User:** Hi!\n\n**Assistant:** Hello!\n\n**User:** Where do I work?\n\n**Assistant:**", "Where do I work?"),
        (
            "### Human\nHi!\n### Assistant\nHello!\n### Human\nWhere do I work?\nAnd when?\n",
            "Where do I work?\nAnd when?",
        ),
        ("[user]\nHi!\n[assistant]\nHello!\n[user]\nWhere does Bo\nwork?", "Where does Bo\nwork?"),
        (
            "Customer: Hi!\nAgent: Hello!\nCustomer (10:42): Where do I work? Please answer in one word.",
            "Where do I work?",
        ),
        ("Conversation so far:\nUser: Hi!\nAI: Hi!\nUser: Where do I work?", "Where do I work?"),
        ("Here is the chat history.\n\nHuman: Hi!\nAI: Hi!\nHuman: Where do I work?\nAI:", "Where do I work?"),
        ("User: I saw Ana.\nAI: Nice!\nUser: Where does she work?", "I saw Ana.\nNice!\nWhere does she work?"),
        ("User: Who is Bo?\nAI: Bo?\nUser: Where do Ana and her son work?", "Where do Ana and her son work?"),
        ("User: I saw Ana.\nAI: Nice!\nUser: Did she see Rome?", "I saw Ana.\nNice!\nDid she see Rome?"),
        ("User: I saw Ana.\nAI: Nice!\nUser: ok\nAI: :)\nUser: and Bo?", "I saw Ana.\nNice!\nok\n:)\nand Bo?"),
        ("User: I fell in Rome.\nAI: No!\nUser: Yes. When was that?", "I fell in Rome.\nNo!\nYes. When was that?"),
        ("User: A trip to Rome!\nAI: Sure, when?\nUser: in april", "A trip to Rome!\nSure, when?\nin april"),
        ("User: hi\nAI: hello\nUser: where do my parents keep their car", "where do my parents keep their car"),
        ("User: hi there\nAI: hello\nUser: Where do I work?\n</conversation>", "Where do I work?"),
        ("[10:00] User: hi!\n[10:01] AI: hello\n[10:02] User: Where do I work?", "Where do I work?"),
        ("1. user: hi!\n2. assistant: hello\n3. user: Where do I work?", "Where do I work?"),
        ("System: Be kind.\nUser: Hi!\nAI: Hi!\nUser: Where do I work?\nSystem: Be brief.", "Where do I work?"),
        (
            '[{"role": "user", "content": "I saw Ana."}, {"role": "assistant", "content": "Nice!"}, '
            '{"role": "user", "content": [{"type": "text", "text": "Where does she work?"}]}]',
            "I saw Ana.\nNice!\nWhere does she work?",
        ),
        ('{"messages": [{"role": "user", "content": "Where do I work?"}]}', "Where do I work?"),
        ("User: Bees sting.\nAI: Wasps, too.\n" * 300 + "User: Where do I work?", "Where do I work?"),
        ('[{"role": "user", "text": "Where do I work?"}]', "Where do I work?"),
        ('{"messages": [{"role": "user", "content": "I feel tired."}]}', "I feel tired."),
        (
            "User: Bees sting.\nAI: Wasps, too.\nUser: I bought those headphones against street noise, and now it is too quiet.",
            "I bought those headphones against street noise, and now it is too quiet.",
        ),
        ("User: Bees sting.\nAI: Wasps, too.\nUser: I bought it.", "Bees sting.\nWasps, too.\nI bought it."),
        ("User: Bees sting.\nAI: Wasps, too.\nUser: How long does it take to fly?", "How long does it take to fly?"),
        ("User: Bees sting.\nAI: Wasps, too.\nUser: Who is one of my friends?", "Who is one of my friends?"),
        ("User: Bees sting.\nAI: Wasps, too.\nUser: Is it likely that wasps fly?", "Is it likely that wasps fly?"),
        (
            "User: Bees sting.\nAI: Wasps, too.\nUser: I planted them behind the garden shed.",
            "Bees sting.\nWasps, too.\nI planted them behind the garden shed.",
        ),
        (
            "## User\nHi!\n## AI\nHi!\n## User\nWhich file holds Bo's name?\n### User\nBo",
            "Which file holds Bo's name?\n### User\nBo",
        ),
        ("User: Hi!\nAI: Hi!\nUser: Bees sting.\nAI: Yes.\nUser: Tell me more", "Bees sting.\nYes.\nTell me more"),
        ('[{"role": "assistant", "content": "Hi!"}, {"role": "user", "content": "I feel tired."}]', "I feel tired."),
        ("## User\nHi!\n\n## Assistant\nHello!\n\n## User\nWhere do I work?", "Where do I work?"),
        ("# USER\n\nHi!\n\n# CHATGPT\n\nHello!\n\n# USER\n\nWhere do I work?", "Where do I work?"),
        ("You said:\nHi!\nChatGPT said:\nHello!\nYou said:\nWhere do I work?", "Where do I work?"),
        ("Me: Hi!\nGPT-4o: Hello!\nMe: Where do I work?\nGPT-4o:", "Where do I work?"),
        ("User: Hi!\nYou: Hello!\nUser: Where do I work?\nYou:", "Where do I work?"),
        ("User: Hi!\nClaude: Hello!\nUser: Where do I work?", "Where do I work?"),
        ("User: Hi!\nJarvis: Hello!\nUser: Where do I work?\nJarvis: ", "Where do I work?"),
        ("**Ana:** Hi!\n**Assistant:** Hello!\n**Ana:** Where do I work?", "Where do I work?"),
        (
            "You are Ada, a helpful assistant. When the user asks for a time, look at the calendar.\n\n"
            "User: Hi!\nAI: Hello!\nUser: Where do I work?",
            "Where do I work?",
        ),
        (
            '{"contents": [{"role": "user", "parts": [{"text": "I saw Ana."}]}, {"role": "model", "parts": [{"text": "Nice!"}]}, '
            '{"role": "user", "parts": [{"text": "Where does she work?"}]}]}',
            "I saw Ana.\nNice!\nWhere does she work?",
        ),
        ('[{"type": "human", "content": "Hi!"}, {"type": "human", "content": "Where do I work?"}]', "Where do I work?"),
        (
            '[{"from": "human", "value": "Hi!"}, {"from": "gpt", "value": "Hi!"}, {"from": "human", "value": "Who?"}]',
            "Who?",
        ),
        ('{"contents": [{"parts": [{"text": "Where do I work?"}]}], "generationConfig": {}}', "Where do I work?"),
        ('{"contents": "Where do I work?"}', "Where do I work?"),
        ('{"conversations": [{"from": "human", "value": "Where do I work?"}], "top_p": 1}', "Where do I work?"),
        ('[{"role": "User", "content": "Where do I work?"}, {"type": "reasoning", "summary": []}]', "Where do I work?"),
        (
            "User: Fences?\nAI: Write ``` before it.\nUser: Thanks!\nAI: Welcome.\nUser: Where do I work?",
            "Where do I work?",
        ),
        ("User: Hi!\nAI:\n```py\nprint(1)\nUser: Where do I work?", "Where do I work?"),
        ("## User\r\nHi!\r\n## AI\r\nHi!\r\n## User\r\nWhere do I work?\r\n", "Where do I work?"),
        ("Your name is Ada.\nUser: Hi!\nJarvis: Hello!\nUser: Where do I work?", "Where do I work?"),
        ('[{"role": "user", "content": "", "parts": ["Where do I work?"]}]', "Where do I work?"),
        ("You are Ada, an assistant of Acme.\n\nUser: Where do I work?\nAssistant:", "Where do I work?"),
        (
            "The following is a friendly conversation between a human and an AI. The AI is talkative.\n\n"
            "Human: Hi!\nAI: Hello!\nHuman: Where do I work?\nAI:",
            "Where do I work?",
        ),
        (
            "User: Hi!\nAI: Hello!\nUser: Why does this fail?\n```yaml\n# user\nuser: bo\n```",
            "Why does this fail?\n```yaml\n# user\nuser: bo",
        ),
        ("## User\nHi!\n## AI\n# User\nYou.\n## User\nWhere do I work?\n\n---\n", "Where do I work?"),
        ("User: Hi!\nAI: Hi!\nUser: Which is older?\nMe: 1980\nYou: 2023", "Which is older?\nMe: 1980\nYou: 2023"),
        ("You said:\nHi!\nChatGPT said:\nuser: root\nYou said:\nWhere do I work?", "Where do I work?"),
    ],
)
def test_of_a_conversation_the_last_turn_of_the_user_is_asked(query: str, asked: str | None) -> None:
    assert asked_in(query) == Framed(asked if asked is not None else query)


@pytest.mark.parametrize(
    "query",
    [
        "",
        " ",
        "?",
        "Answer:",
        "Answer the phone",
        "Do you remember:",
        "Do you remember that I like tea?",
        "I forgot the time: it was nine",
        "Answer the phone. What did I say?",
        "Reply to Ana's email. When did she write?",
        "I moved to Rome. Where did I live before?",
        "I told Bo: answer the phone. Did he?",
        "Hey Mel, when did you go?",
        "As of today, where do I live?",
        "Who am I? Where do I live?",
        "Before this chat history, where did I live?",
        "Answer the questions Ana asked in the chat above. Which were they?",
        "I said that today is 2024-05-01. What did I do then?",
        "Where do I live? Currently.",
        "At the moment, where do I live?",
        "I speak French. Where did I learn it?",
        "In C, what does static do?",
        "What is C#",
        "__init__ - what does it do?",
        "How do I fix\n```\nreturn x\n```",
        "The database is down. What did we do last time?",
        "In session 3, what did we decide?",
        "German or French, which do I speak better?",
        "Recommend a book. In German.",
        "I am Will. Where do I live?",
        "To be, or not to be. Who said it?",
        "1. Where does Ana live? 2. Where does Bo live?",
        "User: I like tea.\nAssistant: Noted.",
        "User: I like tea.\nUser: where do I live",
        "System: Ubuntu 24\nDisk: full",
        "System: Ubuntu\nUser: root\nCommand: apt fails",
        "Agent: Bo Lee\nCustomer: ACME\nIssue: the printer jams",
        "Agent: Bo\nCustomer: Acme\nAgent: Ann\nCustomer: Globex",
        "user: root\nsystem: ubuntu\nuser: admin",
        "Human: 2 legs\nAI: none\nHuman: skin\nAI: metal\nHuman: feelings",
        "Roles:\nUser: can read\nAdmin: can write\nAgent: can run\nUser: can comment",
        "Where do I work?\n\nConversation:\nUser: Hi!\nAI: Hi!\nUser: I had pasta.",
        "You are in Rome. Who did I meet there?\nUser: Hi!\nAI: Hi!\nUser: I had pasta.",
        "Ana: Hi!\nAssistant: Hello!\nBo: Where do I work?",
        "Ana: Hi!\nAna: I am tired.\nAssistant: Oh no!\nAna: Where do I work?",
        "Do you remember: ?",
        "You are good with maps. List every city.\nUser: I was in Rome.\nAI: Nice!\nUser: I had pasta.",
        "Your task is to sum up what was said.\nUser: I was in Rome.\nAI: Nice!\nUser: I had pasta.",
        "You are a search agent. Find when Bo moved.\nUser: I was in Rome.\nAI: Nice!\nUser: I had pasta.",
        "As a travel agent I need all that my customer asked for.\nCustomer: A room, please.\nAgent: Sure.\nCustomer: And a car.",
        "You are an evaluator. Decide whether it was polite.\nUser: I was in Rome.\nAI: Nice!\nUser: I had pasta.",
        "Below is a conversation between two. Tell me where they eat.\nUser: I was in Rome.\nAI: Nice!\nUser: I had pasta.",
        "You're booked on flight BA123 to Rome.\nCustomer: Ana Lee\nSeat: 12A by the window please",
        "You're right, Bo and Ana moved to Lisbon in May.\nUser: Bo says so himself.",
        "Me: I moved to Rome.\nClaude: Lovely, near the Colosseum?\nMe: Yes, on Via Cavour 12.",
        "You: I left the keys under the pot.\nAgent: Thanks.\nYou: The code is 1234.",
        "Status: open\nUser: I cannot log in to the portal.\nStatus: closed\nUser: It works now, thank you.",
        "Do you remember :-) ?",
        "Do you know :) where Ana lives?",
        '[{"type": []}, {"type": ["human"], "content": "hi"}]',
        '{"messages": [{"type": {}}]}',
        '[{"role": ["user"], "content": "hi"}, {"content": 1}]',
        "Doctor: How long does it hurt?\nMe: Since March.\nDoctor: And the pills?\nMe: Twice a day.",
        "Pilot: Gear up.\nCopilot: Gear is up.\nPilot: Flaps to ten, please.",
        "Waiter: What would you like?\nCustomer: The soup.\nWaiter: Bread with it?",
        "Issue: the printer jams again.\nAgent: Bo\nIssue: the screen is black.",
        "Review: Great app!\nUser: ana\nReview: Slow as hell.\nUser: bo",
        "## Agent\n- runs faster than before.\n## User\n- can log in.\n## Agent\n- has tools.\n## User\n- sees its name.",
        '[{"type": "human", "text": "Aragorn is a king."}, {"type": "elf", "text": "Legolas shoots."}]',
        "Assistant: Bo Lee\nNote: he was late today.\nNote: She likes tea.",
        "User: root\nCommand: apt fails\nUser: admin\nError: it says that the disk is full.",
        "Ana: where do you live?\nBo: in Rome.\nAna: since when?",
        "Me: where do you live?\nYou: in Rome.\nMe: since when?",
        "Claude: where do you live?\nBo: in Rome.\nClaude: since when?",
        "User\nHi!\nAssistant\nHello!\nUser\nWhere do I work?",
        "Summarize this conversation:\nUser: Hi!\nAI: Hi!\nUser: I had pasta.",
        "My bot wrote:\nUser: Hi!\nAI: Hi!\nUser: I had pasta.",
        '{"type": "preference", "name": "Ana", "date": "2024-05-01", "text": "likes tea"}',
        '<div class="a">Where is Ana?</div>',
        '{"error": {"message": "Why did it fail?", "code": 42}}',
        '{"content": "Where?", "city": "Rome"}',
        '{"question": "where \\ud800 is it?"}',
        '{"question": "a\\u0000b is it?"}',
        "Time: 2024-05-01 12:00\nEvent: a crash. What was the cause?",
        "I have an appointment. It is on 1 May 2024. Who with?",
        "2024-05-01: what did Ana do?",
        "[2024-05-01] What did Ana do?",
        "Did you say so? What did I say to Ana?",
        "Hi! I ended up volunteering, and now I'm overwhelmed.",
        "Given the history of Rome, what did I plan?",
        "What is the answer to my question about bees?",
        "Can you tell me about my dog?",
        "Today is my birthday. What did I wish for?",
        "Today is 2024-05-01",
        "Please answer in one sentence.",
        '{"question": ""}',
        '{"city": "Rome"}',
        '["What is it?"]',
        '{"city": "What',
        f"Question: what? {'x' * LONGEST}",
    ],
)
def test_what_tells_of_the_matter_stays(query: str) -> None:
    assert asked_in(query) == Framed(query)


@pytest.mark.parametrize(
    ("query", "asked", "now"),
    [
        ("Today is 2024-05-01. When did she go?", "When did she go?", DAY),
        ("(Today's date: 1 May 2024) When did she go?", "When did she go?", DAY),
        ("It is now May 1, 2024, so what did I do last week?", "so what did I do last week?", DAY),
        ("Current date: 1:56 pm on 1 May, 2024\nWhere is it?", "Where is it?", DAY.replace(hour=13, minute=56)),
        ("Question date: 2024/05/01 (Wed) 23:40. How old is it?", "How old is it?", DAY.replace(hour=23, minute=40)),
        (
            "Please answer from the chats.\n\nnone\n\nCurrent Date: 2024/05/01 (Wed) 23:40\nQuestion: How old is it?\nAnswer:",
            "How old is it?",
            DAY.replace(hour=23, minute=40),
        ),
        ("Today is 2024-05-01. I feel like going out again.", "I feel like going out again.", DAY),
        ("What did I do on 2024-05-01?", "What did I do on 2024-05-01?", None),
    ],
)
def test_the_day_that_it_is_counts_as_now(query: str, asked: str, now: datetime | None) -> None:
    assert asked_in(query) == Framed(asked, now)


@pytest.mark.parametrize(
    "of",
    [
        "hey, ",
        "answer ",
        "a ",
        "based on the ",
        "{",
        "please ",
        "? ",
        "i want to know ",
        "if you know ",
        "\n",
        "。",
        "Q: ",
        "today is 1 ",
        "give the ",
        "answer this: ",
        "[INST] ",
        "<</SYS>>",
        "<|im_start|>user",
        "answer in ",
        "User: it\nAI: it\n",
        "User: a\nJ: b\n",
        "User: \n",
        "# User\n",
        "1, 1, 1, ",
        "You are a ",
        " ",
        "his ",
        "[1 ",
    ],
)
@pytest.mark.parametrize("before", ["", "User: a b c d.\nAI: b\nUser: bees ", "You are Ada.\nUser: x"])
def test_no_text_takes_long(before: str, of: str) -> None:
    query = before + (of * LONGEST)[: LONGEST - 5 - len(before)] + "what?"

    def seconds() -> float:
        began = thread_time()  # of this thread alone: the machine may be busy with other things
        asked_in(query)
        return thread_time() - began

    assert min(seconds() for _ in range(2)) < 0.2


@pytest.mark.parametrize(
    "query",
    [
        "[2024-04-01 10:00] User: My dog died.\n[2024-04-01 10:01] Assistant: Oh!\n[2024-05-01] User: What did I do yesterday?",
        "User (2024-04-01): My dog died.\nAI: Oh!\nUser (2024-05-01): What did I do yesterday?",
        "Today is 2024-05-01.\nUser: My dog died.\nAI: Oh!\nUser: What did I do yesterday?",
        "User: My dog died.\nAI: Oh!\nUser: Today is 2024-05-01. What did I do yesterday?",
        "You are Sam. Today is 2024-05-01.\n\nUser: My dog died.\nAI: Oh!\nUser: What did I do yesterday?",
        "System: Today is 2024-05-01.\nUser: My dog died.\nAI: Oh!\nUser: What did I do yesterday?",
        "System: Today is 2024-04-01.\nUser: My dog died.\nAI: Oh!\nSystem: Today is 2024-05-01.\nUser: What did I do yesterday?",
        "[1 April 2024, 10:00] User: My dog died.\n[1 April 2024] AI: Oh!\n[1 May 2024] User: What did I do yesterday?",
        '[{"role": "system", "content": "Today is 2024-05-01."}, {"role": "user", "content": "What did I do yesterday?"}]',
        '{"system": "Today is 2024-05-01.", "messages": [{"role": "user", "content": "What did I do yesterday?"}]}',
        "## System\nToday is 2024-05-01.\n## User\nMy dog died.\n## Assistant\nOh!\n## User\nWhat did I do yesterday?",
    ],
)
def test_a_conversation_may_say_when_it_is(query: str) -> None:
    assert asked_in(query) == Framed("What did I do yesterday?", DAY)
