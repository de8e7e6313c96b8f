"""Which statements make earlier ones outdated, and which only resemble them."""

import pytest

from memory_service.analysis.facts.wording import content_words
from retrieval.replacing import LONGEST, takes_place
from retrieval.said import Said


def outdated(earlier: str, later: str, question: str, *, cosine: float = 0.6) -> bool:
    new, old = Said(later, None, "en"), Said(earlier, None, "en")
    return takes_place(new, old, cosine=cosine, asked=frozenset(content_words(question)), query=question)


@pytest.mark.parametrize(
    ("earlier", "later", "question"),
    [
        ("I live in Toronto.", "I moved to Montreal last week.", "Where do I live?"),
        ("I work at Northwind as a data engineer.", "I left Northwind and joined Hydro-Québec.", "Where do I work?"),
        ("I drive a Honda Civic.", "I sold the Civic and bought a Tesla.", "What car do I have?"),
        ("My rent is 2,350 dollars a month.", "I now pay 1,900 dollars in rent.", "How much is my rent?"),
        ("My favourite colour is blue.", "These days my favourite colour is green.", "What is my favourite colour?"),
        ("I use VS Code for everything.", "I switched from VS Code to Neovim.", "Which editor do I use?"),
        ("My phone number is 555 0101.", "My phone number changed, it is 555 0199 now.", "What's my phone number?"),
        ("The project deadline is 15 March.", "The project deadline was postponed to 2 April.", "When is the project deadline?"),
        ("I'm vegetarian.", "I started eating fish again, so I'm pescatarian now.", "What is my diet?"),
        ("My dentist is Dr. Lee.", "I have a new dentist, Dr. Gomez.", "Who is my dentist?"),
        ("The API key is stored in Vault.", "We moved the API key from Vault to AWS Secrets Manager.",
         "Where is the API key stored?"),
        ("We deploy with Jenkins.", "We replaced Jenkins with GitHub Actions.", "How do we deploy?"),
        ("I am dating Sam.", "Sam and I broke up.", "Am I seeing anyone?"),
        ("The database runs Postgres 14.", "The database was upgraded to Postgres 16.", "Which Postgres version do we run?"),
        ("I go to the gym on Mondays.", "I changed my gym day to Fridays.", "Which day do I go to the gym?"),
        ("I weigh 82 kg.", "I'm down to 78 kg.", "What's my weight?"),
        ("My daughter goes to Oak Street School.", "My daughter switched to Maple Academy.",
         "Which school does my daughter attend?"),
        ("I subscribe to Netflix.", "I cancelled Netflix.", "Do I have Netflix?"),
        ("Our budget is $50k.", "The budget has been cut to $35k.", "What is our budget?"),
        ("I take 10 mg of lisinopril.", "The doctor raised my lisinopril to 20 mg.", "What dose of lisinopril do I take?"),
        ("The user lives in Toronto.", "The user moved to Montreal last week.", "Where does the user live?"),
        ("User is a junior data analyst.", "User was promoted to senior analyst.", "What is the user's job title?"),
        ("User is single.", "User got married in June.", "What is the user's marital status?"),
        ("My daughter Ella is in third grade.", "Ella started fourth grade.", "What grade is my daughter in?"),
        ("I live in Oslo with my wife.", "We moved to Bergen.", "Where do I live?"),
        ("My car is in the garage.", "My car is in the workshop now.", "Where is my car?"),
        ("I have a Dell laptop.", "I bought a new laptop, a ThinkPad.", "What laptop do I have?"),
        ("I have a Dell laptop.", "My new laptop is a ThinkPad.", "What laptop do I have?"),
        ("My laptop bag is black.", "I bought a new laptop bag, a red one.", "What colour is my laptop bag?"),
        ("The project has three developers.", "The project now has five developers.",
         "How many developers does the project have?"),
        ("The meeting is in room 3.", "The meeting is in the canteen now.", "Where is the meeting?"),
        ("Our office is on King Street.", "Our office is at the harbour now.", "Where is our office?"),
        ("The wiki lives on Confluence.", "The wiki is on Notion now.", "Where is the wiki?"),
        ("My therapist is Dr. Lind.", "I have a new therapist, Dr. Amann.", "Who is my therapist?"),
        ("Sofia plays in goal for the team.", "Sofia is now a striker for the team.", "What position does Sofia play?"),
        ("The server runs Debian.", "The server now runs Alpine.", "What does the server run?"),
        ("My hair is brown.", "My hair is red now.", "What colour is my hair?"),
        ("My car is fine.", "My car is broken now.", "How is my car?"),
        ("The wifi at the cabin is called PineNet.", "I renamed the cabin wifi to SpruceNet.", "What is the cabin wifi called?"),
        ("I am subscribed to the Economist.", "I cancelled the Economist.", "Which magazine am I subscribed to?"),
        ("I'm the captain of the rowing club.", "I stepped down as captain of the rowing club.",
         "Am I the captain of the rowing club?"),
        ("My laptop is a ThinkPad.", "My new laptop is on the kitchen table.", "What laptop do I have?"),
        ("The user prefers an oak desk.", "The user now asks for a glass desk everywhere.", "Which desk does the user like?"),
        ("My mentor is Ines.", "My new mentor is Paul.", "Who is my mentor?"),
        ("Our tests run on CircleCI.", "Our tests now run on GitHub.", "Where do our tests run?"),
        ("My bike is a Trek.", "I sold my bike and bought a Cube.", "What bike do I have?"),
        ("The report is due on Friday.", "The report was postponed to Monday.", "When is the report due?"),
        ("I take my tea without sugar.", "I take my tea with honey these days.", "How do I take my tea?"),
        ("The library opens at 9.", "The library opens at 10 now.", "When does the library open?"),
        ("My landlord is Erik.", "Erik sold the house, my new landlord is Ida.", "Who is my landlord?"),
        ("I'm reading Dune.", "I finished Dune, now I'm reading Emma.", "What am I reading?"),
        ("The client is Acme.", "The client is now Bolt.", "Who is the client?"),
        ("Our mascot is a fox.", "Our mascot is now an owl.", "What is our mascot?"),
        ("Our flat has three rooms.", "Our flat now has four rooms.", "How many rooms does our flat have?"),
        ("My weight is 80 kg.", "Today my weight is 78 kg.", "What is my weight?"),
        ("My rent is 900 euros.", "As of today my rent is 950 euros.", "How much is my rent?"),
        ("The team grew to 12 people.", "The team grew from 12 to 15 people.", "How many people are in the team?"),
        ("The budget rose from 50 to 60 euros.", "The budget rose from 60 to 70 euros.", "What is the budget?"),
        ("I swim from 7 to 8.", "I swim from 8 to 9 now.", "When do I swim?"),
        ("Our office moved to Bonn.", "Our office moved from Bonn to Jena.", "Where is our office?"),
        ("My commute to the office takes 40 minutes.",
         "My commute to the office now takes 50 minutes because I start from the new flat.", "How long is my commute?"),
    ],
)  # fmt: skip
def test_what_is_so_now_takes_the_place_of_what_was(earlier: str, later: str, question: str) -> None:
    assert outdated(earlier, later, question)


@pytest.mark.parametrize(
    ("earlier", "later", "question"),
    [
        ("I live in Toronto.", "My sister moved to Montreal last week.", "Where do I live?"),
        ("I live in Toronto.", "I'm thinking of moving to Montreal.", "Where do I live?"),
        ("I use VS Code for Python.", "I now use Figma for design.", "What do I use for Python?"),
        ("My rent is 2,350 dollars.", "My parking is now 150 dollars.", "How much is my rent?"),
        ("My dentist is Dr. Lee.", "My new eye doctor is Dr. Gomez.", "Who is my dentist?"),
        ("The weekly sync is on Tuesdays at 10.", "The design review moved to Thursdays at 14:00.", "When is the weekly sync?"),
        ("The staging server runs Postgres 14.", "The production server was upgraded to Postgres 16.",
         "Which Postgres version does staging run?"),
        ("I go to the gym on Mondays.", "I started swimming on Fridays.", "When do I go to the gym?"),
        ("My manager is Alice.", "Tom's manager is now Bob.", "Who is my manager?"),
        ("I drive a Honda Civic.", "My wife bought a new Tesla.", "What car do I drive?"),
        ("My son goes to Oak Street School.", "My daughter switched to Maple Academy.", "Which school does my son go to?"),
        ("I take 10 mg of lisinopril.", "I now take 500 mg of metformin too.", "What dose of lisinopril do I take?"),
        ("My favourite colour is blue.", "My favourite food is now ramen.", "What is my favourite colour?"),
        ("I am allergic to peanuts.", "I found out that I'm allergic to cats, too.", "What food am I allergic to?"),
        ("The wifi password is bluebird42.", "I changed my bank password.", "What's the wifi password?"),
        ("Our office is in Berlin.", "We opened a new office in Madrid.", "Where is our office?"),
        ("My flight to Rome leaves at 9:40.", "My train to Naples leaves at 15:10 now.", "When does my flight leave?"),
        ("I prefer tea in the morning.", "I had coffee this morning instead because we were out of tea.",
         "What do I prefer to drink in the morning?"),
        ("The project budget is $50k.", "The marketing budget was cut to $35k.", "What is the project budget?"),
        ("I play the guitar.", "I sold my old piano.", "Which instrument do I play?"),
        ("My cat is called Biscuit.", "Our new neighbour's dog is called Waffles.", "What is my cat called?"),
        ("I work at Northwind.", "My brother left Northwind and joined Hydro-Québec.", "Where do I work?"),
        ("I meet Karl every Friday at Northwind's cafeteria.", "Karl quit smoking.", "When do I meet Karl?"),
        ("I weigh 82 kg.", "I want to weigh 75 kg.", "What's my weight?"),
        ("I weigh 82 kg.", "Do I weigh 95 kg?", "What's my weight?"),
        ("My rent is 900 euros.", "If my rent were 1200 euros, I'd leave.", "How much is my rent?"),
        ("I weigh 82 kg.", "I weighed 95 kg five years ago.", "What's my weight?"),
        ("I weigh 82 kg.", "I used to weigh 95 kg.", "What's my weight?"),
        ("My salary is 60,000 euros.", "My salary was 50,000 euros back in 2019.", "What is my salary?"),
        ("My rent is 900 euros.", "The average rent here is 1200 euros.", "How much is my rent?"),
        ("My flight to Rome is on May 3.", "My flight to Paris is on May 9.", "When is my flight to Rome?"),
        ("I work at Northwind.", "I left my laptop at Northwind.", "Where do I work?"),
        ("I work at Northwind.", "I left Northwind early today to see the dentist.", "Where do I work?"),
        ("I drive a Honda Civic.", "I left my umbrella in the Civic.", "What do I drive?"),
        ("My dog Rex sleeps in the kitchen.", "I replaced the kitchen tap.", "Where does Rex sleep?"),
        ("I have a cat and a dog.", "I returned the dog bed.", "What pets do I have?"),
        ("I use Emacs.", "I never quit Emacs.", "Which editor do I use?"),
        ("I use Emacs.", "I almost quit Emacs.", "Which editor do I use?"),
        ("I use Emacs.", "I haven't stopped using Emacs.", "Which editor do I use?"),
        ("I live in Rome.", "I nearly moved to Pisa.", "Where do I live?"),
        ("I live in Rome.", "I never moved to Pisa.", "Where do I live?"),
        ("I use Vim.", "I switched from Emacs to Vim.", "Which editor do I use?"),
        ("I live in Porto.", "I moved from Lisbon to Porto.", "Where do I live?"),
        ("I subscribe to Netflix and Spotify.", "I cancelled Netflix.", "Do I have Spotify?"),
        ("I live in Berlin.", "When I was a kid we moved to Hamburg.", "Where do I live?"),
        ("I live in Berlin.", "In the game I live in Novigrad.", "Where do I live?"),
        ("I live in Berlin.", "I'm living in Pisa until my flat is repaired.", "Where do I live?"),
        ("I drive a Honda Civic.", "The neighbours sold their Civic.", "What car do I drive?"),
        ("I drive a Honda Civic.", "A coworker sold a Civic last week.", "What car do I drive?"),
        ("My laptop is a ThinkPad.", "I started yoga.", "Which computer do I own?"),
        ("The user prefers concise answers.", "The user is now working on the billing module.", "How does the user want replies?"),
        ("I am allergic to penicillin.", "I currently have a cold.", "Which medicine must I avoid?"),
        ("I get up at 6:30.", "I had lunch at 12:15 with Bo.", "What time is my alarm?"),
        ("I'm 34 years old.", "My car is 12 years old.", "How old am I?"),
        ("I take 10 mg of lisinopril.", "The maximum dose of lisinopril is 80 mg.", "What dose of lisinopril do I take?"),
        ("We use the orders API v2.", "The orders API v1 was deprecated.", "Which version of the orders API do we use?"),
        ("The user lives in Toronto.", "The user's sister moved to Montreal.", "Where does the user live?"),
        ("My sister Rosa lives in Porto.", "Rosa's dog is now called Pingo.", "Where does my sister live?"),
        ("I live in Lisbon.", "I live in Portugal.", "Where do I live?"),
        ("I use Emacs.", "Tom switched from Emacs to Helix.", "Which editor do I use?"),
        ("I use Emacs.", 'Tom told me: "I switched from Emacs to Helix, and you should too."', "Which editor do I use?"),
        ("I use Emacs.", "If I ever quit Emacs, I would use Helix.", "Which editor do I use?"),
        ("I take the bus.", "I don't take the bus to the gym.", "Do I take the bus?"),
        ("The deadline of chapter one is May 2.", "I'm done with chapter one, now I'm free until the new deadline.",
         "What is the deadline of chapter one?"),
        ("I drive a Honda Civic.", "My car is in the workshop now.", "What car do I have?"),
        ("My car is a Honda Civic.", "My car is in the workshop now.", "What car do I have?"),
        ("My car is a Honda Civic.", "My car is being repaired now.", "What car do I have?"),
        ("My laptop is a ThinkPad.", "I bought a new laptop bag.", "What laptop do I have?"),
        ("I have a Dell laptop.", "My new laptop bag is leather.", "Which laptop do I have?"),
        ("The project is called Falcon.", "The project now has a logo.", "What is the project called?"),
        ("The project uses Django.", "The project now has a logo.", "What does the project use?"),
        ("Our office is on King Street.", "The office now has a coffee machine.", "Where is our office?"),
        ("The printer is on the second floor.", "The printer on the third floor has a new toner.", "Where is the printer?"),
        ("My flight to Oslo leaves at 9:15.", "My flight back from Oslo leaves at 17:40.",
         "When does my flight to Oslo leave?"),
        ("The train to Basel leaves at 9:15.", "The train from Basel leaves at 17:40 now.",
         "When does the train to Basel leave?"),
        ("The train from Bonn to Basel leaves at 9:15.", "The train from Basel to Bonn leaves at 17:40 now.",
         "When does the train from Bonn to Basel leave?"),
        ("My flight to Oslo leaves at 9:15.", "My flight from Oslo leaves at 17:40, I have to be there at 4.",
         "When does my flight to Oslo leave?"),
        ("My bike has 21 gears.", "I got a new bike lock with 4 digits.", "How many gears does my bike have?"),
        ("Our kitchen is painted yellow.", "We have a new kitchen table now.", "What colour is our kitchen?"),
        ("My phone is a Pixel 7.", "I got a new phone case.", "What phone do I have?"),
        ("Our server runs Debian.", "The server room now has air conditioning.", "What does our server run?"),
        ("My garden is 80 square metres.", "My garden now has a pond.", "How big is my garden?"),
        ("My dog is a beagle.", "My dog is now at the vet.", "What breed is my dog?"),
        ("My dog is a beagle.", "My dog is now afraid of balloons.", "What breed is my dog?"),
        ("My team uses Slack.", "My team now has a mascot.", "What does my team use?"),
        ("The bakery opens at 8.", "The bakery now sells cake.", "When does the bakery open?"),
        ("We deploy with Jenkins.", "The deploy script is now documented.", "How do we deploy?"),
        ("My garage door code is 4711.", "My garage now has a heater.", "What is my garage door code?"),
        ("My mentor is Ines.", "My mentor is ill now.", "Who is my mentor?"),
        ("The library opens at 9.", "The library now lends games.", "When does the library open?"),
        ("I keep the spare key in the shed.", "The shed was painted green recently.", "Where do I keep the spare key?"),
        ("Our backup runs at 2:00.", "Our backup failed at 5:00 today.", "When does our backup run?"),
        ("The user's editor is Vim.", "The user updated Vim to version 9.", "Which editor does the user use?"),
        ("My piano teacher is Mr. Brandt.", "I moved the piano to the attic.", "Who is my piano teacher?"),
        ("The app is written in Go.", "The app now supports French.", "What language is the app written in?"),
        ("I take my tea without sugar.", "I dropped my tea this morning.", "How do I take my tea?"),
        ("My gym is Atlas.", "My gym raised its prices.", "Which gym do I go to?"),
        ("Our cat Minka is black.", "Our cat Minka moved to the sofa.", "What colour is our cat?"),
        ("My passport expires in 2030.", "My driving licence now expires in 2031.", "When does my passport expire?"),
        ("The client is Acme.", "The client changed the logo.", "Who is the client?"),
        ("My bike is a Trek.", "I replaced the tyres of my bike.", "What bike do I have?"),
        ("My bike is a Trek.", "I sold my bike helmet.", "What bike do I have?"),
        ("Lunch is at noon.", "Lunch was at two yesterday.", "When is lunch?"),
        ("I live in Leeds.", "My office moved to York.", "Where do I live?"),
        ("My blood type is O.", "My blood pressure is now 120 over 80.", "What is my blood type?"),
        ("I'm reading Dune.", "I started reading a cookbook to my son, too.", "What am I reading?"),
        ("The report is due on Friday.", "The report is now 40 pages long.", "When is the report due?"),
        ("My doctor's name is Lee.", "My doctor is now in Spain.", "What is my doctor's name?"),
        ("My landlord is Erik.", "My landlord raised the rent to 950 euros.", "Who is my landlord?"),
        ("My car insurance is with Axa.", "I bought a new car.", "Who is my car insurance with?"),
        ("The printer in the hall is an Epson.", "The printer in the hall is out of ink now.",
         "What printer is in the hall?"),
        ("Our flat has three rooms.", "Our flat now has fibre internet.", "How many rooms does our flat have?"),
    ],
)  # fmt: skip
def test_what_only_resembles_it_does_not(earlier: str, later: str, question: str) -> None:
    assert not outdated(earlier, later, question)


def test_what_is_far_apart_is_not_about_the_same() -> None:
    car = "I drive a Civic.", "I sold the Civic.", "What car do I have?"
    assert outdated(*car, cosine=0.4)
    assert not outdated(*car, cosine=0.3)
    gym = "I go to the gym on Mondays.", "I changed my gym day to Fridays.", "Which day do I go to the gym?"
    assert outdated(*gym, cosine=0.5)
    assert not outdated(*gym, cosine=0.4)


def test_long_texts_are_not_read() -> None:
    more = " Much else happened." * (LONGEST // 20)
    assert not outdated("I live in Rome.", f"I moved to Pisa.{more}", "Where do I live?")


def test_odd_texts_take_no_place() -> None:
    for text in ("", " ", "\ud800", "'s", "My", "I left", "?!", "…" * LONGEST, "'s " * 200):
        assert not outdated(text, text, text)
        assert not outdated("I live in Rome.", text, "Where do I live?")


def test_other_languages_are_not_read() -> None:
    asked = "What is my rent?"
    old, new = (Said(text, None, "de") for text in ("Meine Miete: 900 Euro.", "Meine neue Miete: 950 Euro."))
    assert not takes_place(new, old, cosine=0.9, asked=frozenset(content_words(asked)), query=asked)
