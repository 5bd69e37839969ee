"""The words that the probing tasks are made of. Written for this purpose; it does not know the sentences."""

# Who acts: singular, plural.
PEOPLE = (
    ("teacher", "teachers"), ("nurse", "nurses"), ("farmer", "farmers"), ("painter", "painters"), ("pilot", "pilots"),
    ("baker", "bakers"), ("lawyer", "lawyers"), ("gardener", "gardeners"), ("singer", "singers"), ("driver", "drivers"),
    ("doctor", "doctors"), ("student", "students"), ("tourist", "tourists"), ("neighbour", "neighbours"),
    ("cousin", "cousins"), ("waiter", "waiters"), ("engineer", "engineers"), ("writer", "writers"),
    ("sailor", "sailors"), ("librarian", "librarians"), ("butcher", "butchers"), ("plumber", "plumbers"),
    ("dancer", "dancers"), ("judge", "judges"), ("cook", "cooks"), ("guide", "guides"), ("actor", "actors"),
    ("guard", "guards"), ("tailor", "tailors"), ("miner", "miners"),
)  # fmt: skip

# What can lie about and change by itself; irregular plurals and singulars in -s among them.
HEADS = (
    ("key", "keys"), ("ladder", "ladders"), ("boat", "boats"), ("candle", "candles"), ("kettle", "kettles"),
    ("mouse", "mice"), ("goose", "geese"), ("child", "children"), ("woman", "women"), ("man", "men"),
    ("bus", "buses"), ("boss", "bosses"), ("lens", "lenses"), ("actress", "actresses"), ("dress", "dresses"),
    ("glass", "glasses"), ("compass", "compasses"), ("princess", "princesses"), ("knife", "knives"), ("leaf", "leaves"),
    ("shelf", "shelves"), ("wolf", "wolves"), ("loaf", "loaves"), ("calf", "calves"), ("tooth", "teeth"),
    ("foot", "feet"), ("ox", "oxen"), ("thief", "thieves"), ("lantern", "lanterns"), ("puppy", "puppies"),
    ("branch", "branches"), ("engine", "engines"), ("cactus", "cacti"), ("curtain", "curtains"),
    ("witness", "witnesses"),
    ("photograph", "photographs"), ("sculpture", "sculptures"), ("hostess", "hostesses"), ("mattress", "mattresses"),
    ("walrus", "walruses"),
)  # fmt: skip

# What stands in the way between a subject and its verb; no word of HEADS.
ATTRACTORS = (
    ("cabinet", "cabinets"), ("window", "windows"), ("table", "tables"), ("garden", "gardens"), ("door", "doors"),
    ("truck", "trucks"), ("wall", "walls"), ("bridge", "bridges"), ("house", "houses"), ("tree", "trees"),
    ("statue", "statues"), ("fence", "fences"), ("barrel", "barrels"), ("tent", "tents"), ("bench", "benches"),
    ("tower", "towers"), ("fountain", "fountains"), ("hedge", "hedges"), ("crate", "crates"), ("chimney", "chimneys"),
)  # fmt: skip
BESIDE = ("near", "behind", "beside", "next to", "in front of", "not far from", "to the left of", "under")

# Past forms and modals that are the same for one and for many.
NUMBERLESS = (
    "disappeared overnight", "fell into the river", "looked strange", "might be sold soon", "could not be found",
    "surprised everyone", "caught fire", "will be moved tomorrow", "arrived this morning", "had been forgotten",
    "must have cost a fortune", "appeared in the newspaper", "stayed where the owner wanted", "got wet in the rain",
    "seemed familiar", "should be photographed first", "vanished without a trace", "reminded me of home",
    "would never be the same again", "had to wait outside",
)  # fmt: skip

# Main verbs: past, present, and what follows.
VERBS = (
    ("walked", "walks", "to the station"), ("waited", "waits", "by the gate"),
    ("painted", "paints", "the kitchen door"),
    ("cleaned", "cleans", "the long table"), ("opened", "opens", "the small shop"),
    ("watched", "watches", "the children"),
    ("carried", "carries", "a heavy bag"), ("repaired", "repairs", "old radios"),
    ("listened", "listens", "to the news"),
    ("visited", "visits", "the museum"), ("washed", "washes", "the red car"), ("called", "calls", "the office"),
    ("helped", "helps", "the new family"), ("cooked", "cooks", "a large meal"), ("ordered", "orders", "a black coffee"),
    ("talked", "talks", "about the weather"), ("climbed", "climbs", "the steep hill"),
    ("counted", "counts", "the coins"),
    ("planted", "plants", "a row of beans"), ("borrowed", "borrows", "a few books"),
    ("wrote", "writes", "a short letter"),
    ("sang", "sings", "an old song"), ("drove", "drives", "to the coast"), ("slept", "sleeps", "on the sofa"),
    ("bought", "buys", "fresh bread"), ("taught", "teaches", "a small class"), ("caught", "catches", "the early train"),
    ("swam", "swims", "across the lake"), ("drew", "draws", "a map of the town"), ("brought", "brings", "flowers"),
    ("sold", "sells", "apples and pears"), ("drank", "drinks", "a glass of water"),
    ("forgot", "forgets", "the umbrella"),
    ("found", "finds", "a quiet corner"), ("rode", "rides", "a grey horse"), ("fed", "feeds", "the two dogs"),
    ("built", "builds", "a wooden fence"), ("spent", "spends", "an hour in the yard"), ("sat", "sits", "under the oak"),
    ("took", "takes", "the wrong road"), ("lost", "loses", "the blue ticket"), ("wore", "wears", "a green coat"),
    ("held", "holds", "a paper lantern"), ("threw", "throws", "the ball far"), ("sent", "sends", "a parcel"),
    ("left", "leaves", "the keys at home"), ("kept", "keeps", "the old photographs"), ("told", "tells", "a long joke"),
)  # fmt: skip

# Verbs of relative clauses: past, present, and what follows. None of them is a main verb.
RELATIVES = (
    ("lived", "lives", "next door"), ("worked", "works", "at the harbour"), ("played", "plays", "the violin"),
    ("knew", "knows", "everybody"), ("owned", "owns", "two bicycles"), ("studied", "studies", "chemistry"),
    ("loved", "loves", "the mountains"), ("spoke", "speaks", "four languages"), ("ran", "runs", "the café"),
    ("grew", "grows", "tomatoes"), ("collected", "collects", "stamps"), ("stood", "stands", "in the doorway"),
)  # fmt: skip
MANNERS = ("", "again", "once more", "with a friend", "without a word", "in the rain", "as quietly as possible")

ADJECTIVES = (
    "old", "young", "tall", "quiet", "clever", "tired", "cheerful", "famous", "patient", "careless", "hungry", "busy",
    "polite", "nervous", "lonely", "brave", "lazy", "honest", "curious", "stubborn", "gentle", "pale", "proud", "shy",
    "strict", "friendly", "elderly", "lively", "silly", "early", "late", "fast",
)  # fmt: skip
MID_ADVERBS = (  # before the verb
    "slowly", "quietly", "carefully", "often", "rarely", "suddenly", "gladly", "always", "sometimes", "soon",
    "secretly",
    "seldom", "usually", "gently", "somehow", "still", "never", "almost", "simply", "proudly",
)  # fmt: skip
LATE_ADVERBS = (  # after the object; some of them look like adjectives, or are
    "early", "late", "fast", "twice", "together", "outside", "again", "too", "alone", "everywhere", "downstairs",
    "tomorrow",
)  # fmt: skip
PLACES = (
    "in the kitchen", "near the old bridge", "on the second floor", "behind the church", "at the market",
    "across the street", "by the river", "in the village", "under the trees", "at the end of the road",
    "in the back garden", "beside the harbour",
)  # fmt: skip

# Words that are nouns and verbs in the same form, and what they are done to as verbs.
BOTH = (
    ("plants", "apples"), ("paints", "windows"), ("stamps", "letters"), ("photographs", "bridges"), ("lights", "lamps"),
    ("records", "songs"), ("hammers", "boxes"), ("answers", "letters"), ("drinks", "tea"), ("copies", "maps"),
    ("ships", "bicycles"), ("signs", "pictures"), ("brushes", "horses"), ("locks", "boxes"),
)  # fmt: skip
# Nouns and verbs that are only that.
THINGS = (
    "bread", "letters", "windows", "shoes", "maps", "potatoes", "bicycles", "clocks", "pictures", "baskets", "chairs",
    "horses", "bottles", "ropes", "tables", "coats", "lamps", "bridges", "songs", "apples", "mirrors", "boxes",
)  # fmt: skip
DOINGS = (
    "sells", "carries", "makes", "draws", "buys", "brings", "hides", "finds", "wants", "loses", "keeps", "mends",
    "forgets", "sends", "shows", "takes", "leaves", "chooses", "steals", "collects", "needs", "throws",
)  # fmt: skip

GOOD = (
    "stunning", "wonderful", "brilliant", "charming", "delightful", "excellent", "superb", "lovely", "impressive",
    "enjoyable", "fantastic", "beautiful", "marvellous", "outstanding", "pleasant", "splendid", "terrific",
    "refreshing", "fascinating", "perfect", "magnificent", "satisfying", "inspiring", "great", "amazing", "good",
    "first-rate", "memorable", "elegant", "exciting", "heavenly", "clever", "admirable", "remarkable", "fine",
    "thrilling", "gorgeous", "tasteful", "joyful", "rewarding",
)  # fmt: skip
BAD = (
    "awful", "terrible", "boring", "disappointing", "dreadful", "horrible", "mediocre", "unpleasant", "dull",
    "disgusting", "annoying", "ugly", "tedious", "pathetic", "miserable", "poor", "lousy", "bland", "ridiculous",
    "worthless", "frustrating", "unbearable", "clumsy", "bad", "nasty", "shabby", "depressing", "useless", "tasteless",
    "appalling", "forgettable", "irritating", "shameful", "messy", "hideous", "tiresome", "atrocious", "sloppy",
    "gloomy", "lame",
)  # fmt: skip
JUDGED = (
    "soup", "film", "hotel", "concert", "service", "novel", "breakfast", "play", "museum", "garden party", "speech",
    "museum tour", "dessert", "train ride", "exhibition", "final chapter", "new song", "boat trip", "lecture", "menu",
)  # fmt: skip

# Names, and things that stand in a sentence as a name does: no article, no plural. All in lower case.
NAMES = (
    "lisbon", "madrid", "oslo", "cairo", "lima", "dublin", "vienna", "tokyo", "nairobi", "prague", "mumbai", "havana",
    "boston", "chicago", "glasgow", "naples", "seoul", "quebec", "hamburg", "geneva", "venice", "athens", "warsaw",
    "finland", "portugal", "kenya", "brazil", "norway", "peru", "egypt", "canada", "ireland", "nepal", "morocco",
    "iceland", "sicily", "texas", "scotland", "jupiter", "saturn", "christmas", "hollywood", "microsoft", "unesco",
    "wikipedia", "toyota", "nintendo", "siemens", "easter", "ramadan",
)  # fmt: skip
STUFF = (
    "coffee", "music", "traffic", "homework", "chess", "weather", "politics", "bread", "football", "history",
    "furniture", "laundry", "poetry", "electricity", "gardening", "cheese", "plastic", "rain", "physics", "housework",
    "jazz", "breakfast", "money", "luggage", "parking", "wood", "silence", "dinner", "geography", "sleep", "pottery",
    "cycling", "medicine", "fashion", "advertising", "knitting", "soup", "religion", "childhood", "marriage",
    "retirement", "philosophy", "friendship", "patience", "swimming", "garlic", "asphalt", "algebra", "ballet",
    "archery",
)  # fmt: skip
# Both at once: a frame for the name, a frame for the thing.
DOUBLE = (
    ("turkey", "we are flying to {} for a week", "we are having {} with potatoes tonight"),
    ("china", "she worked in {} for two years", "she drank her tea from {} with a thin gold rim"),
    ("cork", "the train to {} was late again", "the floor is made of {} and feels warm"),
    ("bath", "my aunt moved to {} last spring", "i want a hot {} after this long day"),
    ("java", "they sailed from {} to borneo", "the machine makes a decent cup of {} every morning"),
    ("orange", "the bus stopped in {}, a town in the south of france", "he painted the whole wall {} last night"),
    ("nice", "the flight to {} takes two hours", "it was {} of you to wait for us"),
    ("reading", "he lives in {}, an hour west of london", "he spends his evenings {} by the fire"),
    ("mercury", "the probe will fly past {} in june", "the old thermometer still contained {} and had to go"),
    ("mars", "nobody has walked on {} yet", "one scratch {} the whole table"),
    ("buffalo", "it snowed for days in {}, new york", "a lone {} crossed the road before us"),
    ("jersey", "we took the ferry to {} on friday", "my {} shrank in the wash"),
)  # fmt: skip

TOPICS = {
    "sport": (
        "goalkeeper", "marathon", "tennis racket", "penalty", "stadium", "referee", "coach", "relay", "swimmer",
        "half-time", "hurdles", "volleyball", "cyclist", "tournament", "gold medal", "boxing match", "striker",
        "world record", "rowing team", "sprint", "ice hockey", "gymnast", "second set", "league", "javelin",
    ),
    "food": (
        "recipe", "oven", "garlic", "soup", "pancakes", "frying pan", "dessert", "spices", "noodles", "butter",
        "olive oil", "chef", "roast", "salad", "dough", "cheese", "menu", "sauce", "mushrooms", "vinegar", "pastry",
        "breakfast", "lentils", "cinnamon", "stew",
    ),
    "music": (
        "violin", "orchestra", "melody", "choir", "drummer", "concerto", "guitar solo", "rhythm", "soprano", "album",
        "trumpet", "encore", "conductor", "jazz band", "chorus", "cello", "string quartet", "tempo", "pianist",
        "lullaby", "saxophone", "overture", "accordion", "harmony", "bass line",
    ),
    "weather": (
        "thunderstorm", "drizzle", "heat wave", "fog", "hail", "forecast", "blizzard", "rainbow", "frost", "gale",
        "humidity", "snowfall", "lightning", "cold front", "drought", "sunshine", "temperature", "breeze", "clouds",
        "downpour", "flood warning", "ice on the roads", "tornado", "barometer", "sleet",
    ),
}  # fmt: skip
ABOUT = (
    "All evening they talked about the {a} and the {b}.",
    "The article in the local paper is about the {a}, but it mentions the {b} too.",
    "First came the {a}, then the {b}, and nobody was surprised.",
    "What I remember of that day is the {a}; my brother remembers the {b}.",
    "Did you hear what she said about the {a} and the {b}?",
    "He keeps a diary: on Monday the {a}, on Tuesday the {b}.",
    "Without the {a} there would have been no {b} to speak of.",
    "A photograph of the {a} hangs beside one of the {b}.",
    "The children asked one question about the {a} and ten about the {b}.",
    "My neighbour complained about the {a}, though the {b} did not bother her.",
)
