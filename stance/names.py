"""Names in a text: mentions of people and bodies, found by their capitals, and how names compare."""

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stance.types import Span

# Words that stand before a name without belonging to it; the annotation guidelines drop them.
TITLES = frozenset(
    "senators attorney mr mrs ms miss mx dr sir dame lord lady baron baroness president minister secretary "
    "senator sen rep reps sens representative governor gov spokesman spokeswoman spokesperson professor prof "
    "chancellor mp cllr councillor pc sgt sergeant det detective inspector insp superintendent supt captain capt "
    "colonel col lieutenant lt constable corporal cpl admiral judge congressman congresswoman chairman chairwoman "
    "chief king queen prince princess pope cardinal rev reverend bishop archbishop imam rabbi sheriff mayor ambassador "
    "coach manager premier commissioner director candidate nominee activist lawyer analyst author actor actress "
    "striker leader ceo mep msp congressional del speaker commander brigadier undersecretary taoiseach ayatollah "
    "pastor atty engr cllr datuk dato alhaji alhaja haji hajiya sheikh maulana brother sister comrade "
    "councilor councilman councilwoman alderman alderwoman assemblyman assemblywoman mullah mufti shaikh "
    "maulvi monsignor pandit swami shri smt señor señora doña monsieur madame maître herr frau chairperson "
    "commodore vice-chancellor cde duchess countess viscount marquess".split()
)
# Of these, what stands before a name and never alone.
HONORIFICS = frozenset("mr mrs ms dr sir lord lady dame sen rep gov prof".split())
# Titles only with their full stop: "Barr. Ann Lee", but "William Barr".
DOTTED = frozenset("hon eng engr barr atty gen maj adm cmdr brig".split())
# Titles only beside another title: "Foreign Minister", but "Foreign Ministry".
QUALIFIERS = frozenset(
    "acting assistant chief city interim conservative culture defence defense dem democrat democratic deputy district "
    "education ex father finance first foreign former gen general health high home interior junior justice labour "
    "lib maj major officer planning police press prime republican senior shadow state then tory transport vice".split()
)
ARTICLES = frozenset(["the", "a", "an"])
POSSESSIVES = frozenset("his her its their my our".split())
# Capitalised only because a sentence begins.
_STARTERS = frozenset(
    "the a an this that these those there here it he she they we you i his her their our my your its but and or "
    "so if whether unless whereas when while as at in on for from with by to of after before since until although "
    "though because however "
    "yet still also even only just now then today yesterday tomorrow last next one two three four five six seven "
    "eight nine ten some many most few several all both each every no not nor neither either another other others "
    "what who whom whose why how where which once again more less than such according asked speaking meanwhile "
    "earlier later instead despite during over under between among about against without within through across "
    "behind beyond near off out up down into onto upon let do does did is are was were be been being has have had "
    "will would can could should may might must shall please yes oh well perhaps maybe indeed thus hence "
    "therefore moreover further furthermore additionally nevertheless nonetheless critics officials police "
    "experts analysts sources supporters opponents lawyers prosecutors people residents reporters voters "
    "witnesses researchers scientists campaigners asked image photo read also subscribe sign share follow click".split()
)
# Never in a name; in headlines and links they have a capital in the middle, too.
_VERBS = frozenset(
    "are can could did do does had has have how if is should was were what when where whether why would".split()
)
_PARTISANS = frozenset("conservative democrat democratic independent labour liberal republican tory".split())
_DAYS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun january february march "
    "april may june july august september october november december jan feb mar apr jun jul aug sept oct nov "
    "dec".split()
)
PRONOUNS = frozenset(
    "he she they we i you it him her them us me who whom his hers their theirs himself herself themselves this "
    "that these those one ones both others another some many most all its which whose whoever everyone everybody "
    "someone somebody anyone nobody none her each".split()
)
_ACRONYMS = frozenset(["IT", "US", "WHO"])  # no pronouns
_APOSTROPHE = re.compile("['’]")
_CONTRACTIONS = frozenset(
    f"{verb}n{mark}t"
    for verb in "do does did is are was were wo ca could would should have has had".split()
    for mark in "'’"
) | {"let's", "let’s"}
# First names that tell a woman from a man; enough to keep "he" from Michelle and "Mr" from Hillary.
FEMALE = frozenset(
    "aarti abena abigail adaeze adele adriana adwoa agnes agnieszka aidana aigerim aigul ainur aisha aissatou "
    "aisulu aizhan akiko akmaral akosua alejandra aleksandra alessandra alexandra alice alicia alina alison aliya "
    "allison almagul altantsetseg altynai alyssa ama amanda amelia amina aminah aminata amira amy amélie ana "
    "anahera analyn ananya anastasia andrea angela angelina anita anjali ann anna annabel anne anneke anneliese "
    "annette annie annika anushka aoife aparna archana arlene aroha asel asha asma assia astrid ateca audrey "
    "aurélie ava avigail awa aya ayako ayelet ayesha ayşe azadeh azizah barbara beatrice beatriz becky begoña "
    "belinda bernadette bernice bertha beth bethany betty beverly bhavna bibigul bintou birgit bojana bolormaa "
    "bonnie bopha botagoz bożena brenda brianna bridget brigitte brittany bronwyn bukola bushra camila camille "
    "candace carla carly carmen carol caroline carolyn cassandra catalina catherine cecilia celia chaima chamari "
    "chandrika channary chantal charlene charlotte cheryl chiamaka chiara chinwe chioma chiyoko chloe cholpon "
    "christina christine chutima ciara cindy claire clara claudia colleen condoleezza connie constance consuelo "
    "corazon cristina cynthia céline dalila daniela danielle danuta daphne daria darlene deanna debbie deborah "
    "debra deepa deepika deirdre delia delphine denise desiree dewi diana diane dianne dilbar dilfuza dilnoza "
    "dilorom dilrukshi dimitra dina divya djamila dolores donna doreen doris dorota dorothy dounia dragana edith "
    "edna efua eileen elaine eleanor elena eleni elif elise eliza elizabeth ella ellen ellie elsa elsie elżbieta "
    "emiko emily emine emma erica erika erin esi esperanza estefanía esther ethel eugenia eunji eva evelyn ewa "
    "fadwa farida faridah farzana fatiha fatima fatma fatou fatoumata federica felicia femke fereshteh fernanda "
    "feruza fiona folake frances francesca françoise freja freya fumiko funmilayo gabriela gail galina gayatri "
    "gaylene geeta gemma genevieve geneviève georgina geraldine gertrude ghita gillian gina giovanna gisela giulia "
    "gladys glenda gloria gordana grace graciela greta gudrun guiying gulbahor gulchehra guljan gulmira gulnara "
    "gulnora gwen gwendolyn gülay habiba hafida hafsa hala halima halimah halyna hanan hanna hannah harriet haruka "
    "hasnah hatice heather heidi heike helen helena henrietta hilda hillary hinemoa hiroko hiwot hnin hoda hodan "
    "huda huong hyejin hélène ibtissam ida ifrah ilona imane imogen indah ines ingeborg ingrid inés irene irina "
    "irma isabel isabella isabelle ivana ivanka jacinta jacqueline jadwiga jamila jamilya jane janet janice jaya "
    "jean jeanette jeanne jelena jenna jennifer jenny jessica jessie jieun jill jimena jintana jiyeon joan joann "
    "joanna joanne jocelyn josefina josephine joyce juana juanita judith judy julia juliana julie juliet juliette "
    "junko kadiatou kalpana kamila kamola kanokwan kaouthar kara karen kari karima kartika katarzyna kate katherine "
    "kathleen kathryn kathy katie katrina kavita kayla kazuko keiko kellyanne kerryn khadija kim kimberly kiri "
    "kirsten kristen kristin kristina ksenia kumiko kunthea kylie lakshmi lamia larisa lata latifa laura lauren "
    "layla leah leanne leila lena lenka lestari leticia lihua lijuan liliana lillian linda lindiwe lindsay lisa "
    "litia ljubica lois lorena loretta lori lorraine losalini loubna louise lubna luciana lucy lucía ludmila luisa "
    "lupe luzviminda lydia lynette lynne mabel madeleine madhuri madina magdalena maggie maha makeda malee malia "
    "malika malini malohat manal mandy manivanh manuela maral marama marcela marcia maree margaret marge margot "
    "marguerite maria mariam mariama mariana marianne maribel maricel marie marieke mariko marilyn marina marion "
    "marisol marites marjorie marlene marta martha mary maryam maría masako masoumeh mathilde maureen mavluda "
    "maxine maya mayumi małgorzata meena meenakshi megan meghan meihua meiling melania mele melissa meral mereana "
    "meredith mereoni mervat michaela michal michelle michiko midori mildred milena millie minji minnie miranda "
    "miriam mirjana miyoung miyuki mohira molly mona monica monique mounira muna munira muriel myra mónica nabila "
    "nadezhda nadia nadine nagwa naima najla nakato naledi nancy nandini naoko naomi narantsetseg narelle nargiz "
    "nargiza nasrin natalia natalie nathalie nattaya nawal nawel nayeon neha nellie ngaire ngozi nguyet nhung niamh "
    "nicola nicole nigora niloufar nilufar nina nirmala nkechi nodira noelene nomvula nora noraini noreen norhayati "
    "noriko norma nosipho noura nthabiseng nurcan nurhayati nuria nurul octavia oguljan oksana olena olga olivia "
    "orawan ouafa oumou oyunchimeg padma palesa pamela paola parisa parvina patricia patty paula paulette paulina "
    "pauline peggy penelope pernille petra philippa phoebe phyllis pilar polly pooja pornthip pratibha preeti "
    "priscilla priya priyanka päivi rachael rachel rachida radha raelene rafaela raisa ramatoulaye ramona rania "
    "raquel rasha ratna rebecca reem reiko rekha renate renee retno rhonda rima rita rivka roberta robyn rocío "
    "rohani roimata rokia ronit rosa rosalind rosalinda rose rosemary rosie rosmah rowena roxanne roza rukhsana "
    "rukhshona ruth rym sabine sabrina sachiko sadia sadie safia saima sajida sakura salanieta sally salma salote "
    "saltanat samantha samia samira sandra sangeeta sara sarah sarangerel sarita saskia saule savita sawsan sayaka "
    "selina seoyeon serena setsuko sevgi shabana shahlo shahnoza shalini sharmila sharon shazia sheila shelley "
    "sheree sherine sherry shira shirin shirley shizuka shoshana shreya shufen sibongile sienna sigrid siham silke "
    "silvia sina sinéad siobhan siriporn siti sitora smriti snežana sofia soledad solveig sonal sonia sophea sophie "
    "souad soumaya soyeon sreymom stella stephanie sudarat sudha suhair sujin sulastri sunhee sunisa sunita "
    "supaporn susan susana susanna susannah sushma suzanne svetlana svitlana swati sylvia sylvie tabitha tahmina "
    "tamar tamara tammy tanya tara tatiana teresa tetiana thandar thandeka thandiwe theary thelma theresa thiri "
    "thitima thuy tiffany tigist tina titilayo titilia togzhan tomoko toni tracey trang trudy tuyet tuğba tzipi "
    "ulrike uma umida una unaisi ursula usha valentina valerie valérie vandana vanessa vasiti venera vera verity "
    "veronica verónica vesna victoria vidya virginia vivian véronique wafa wahyuni wambui wanda wangari wanjiru "
    "wassila wendy whina wikitoria wilaiwan wilma winifred wulan xiaoling xiaomei ximena xiulan yaa yael yamina "
    "yanti yasmin yasuko yejin yelena yetunde yoko yolanda yoshiko younghee yukiko yulan yulia yuliana yumiko "
    "yuriko yvonne zahra zainab zaleha zamira zanele zara zarina zeynep zhanar zhibek zineb zodwa zoe zohra zukhra "
    "zulfiya zuraida zuzana élodie".split()
)
MALE = frozenset(
    "aaron abdelaziz abdelhamid abdelilah abdelkader abderrahmane abdoulaye abdul abdullah abhishek abraham adam "
    "adel adilbek adnan adolfo adrian agus ahmad ahmed ahmet aibek ajay akash akhilesh akira akmal alan alassane "
    "alastair albert alec aled alejandro aleksander alessandro alex alexander alexei alfonso alfred alisher "
    "alistair allan allen almazbek alonso alvin amadou amine amir amit amos anand anatoly anders andre andreas "
    "andrew andriy andrzej andrés andy angus anil anouar anthony antoine antonio anucha anupong anvar apichai "
    "apisai archie arjun arman armando arnel arnold arthur arturo arun arvind ashok ashraf ashwin asif askar avi "
    "avraham aymen azamat azlan azman azzedine babajide badr bakary bakhrom bakhtiyar bambang baptiste barack "
    "barnaby barry bart basil batbayar bauyrzhan begench behrouz bekele bekzat ben benedict benjamin benny benoît "
    "bernard bernd bernie bert bertrand bevan bilal bill billy bishnu björn bob bobby bogdan bohdan bolat boris "
    "botir boubacar bounthong boyd brad bradley brahim brandon brendan brent brett brian bronisław bruce bryan "
    "bryce budi burak byron bülent callum calvin carl carlos cecil cedric cem cesar chaiwat chaminda changmin "
    "charles cheick chidi chinedu chris christopher chuck chukwuma clarence claude clifford clint clive cody colin "
    "connor conor cormac craig crisanto cuong curtis cyril césar daisuke damian damien dan daniel danilo daniyar "
    "daouda dariush darrell darren darryl daryl daulet dave david davron dean declan dedi deepak denis dennis derek "
    "dermot desmond detlef dick diego dieter dilshod dimitris dinesh dirk djoko dmitri dmitry dominic don donald "
    "donghyun dongwook donnie doug douglas dovlet dragan driss duncan dustin dušan dwayne ed eddie edgar edgardo "
    "edmund eduardo edward edwin eitan eko ekrem eldar eli elias elliot elliott elvis emeka emilio emmanuel emre "
    "enkhbayar enrique eoin epeli eric erik erlan ermek ernest ernesto ernst errol esteban ethan euan eugene evan "
    "ewan fabio fabrice fadzil fahd faisal farhad farrukh fathi felipe felix femi fergus fernando filimoni firdavs "
    "florian floyd fouad francesco francis francisco frank franklin françois fraser fred freddie frederick "
    "friedrich frédéric fumio gabriel gamal ganbold ganesh gareth gary gatot gavin gayrat geert geoff geoffrey "
    "george gerald gerard gerhard gerry getachew ghassan gideon gilbert gilberto giles giorgos giovanni giuseppe "
    "glenn gopal goran gordon graham greg gregory grigory grzegorz guillaume guillermo gunnar guoqiang gustavo guy "
    "gábor gérard günther habib hafiz haidar haile haitham hakan hamad hamdi hamid hamidullah hamish hamza hank "
    "hans harish harold harry harvey hassan hector heinrich helmut hemi hendra henrik henry herbert herman hernán "
    "hicham hideki hideo hiroshi hoani hohepa holger hossein houari howard hubert hugh hugo humphrey hussein huy "
    "hyunwoo ian ibrahim ichiro idrissa ignacio igor ilhom imad imran inoke ioane iqbal irving irwan isaac isagani "
    "isamu isikeli ismail issa istván itzhak ivan ivor iñigo jack jacob jacques jaehyun jagdish jahongir jaime jake "
    "jamal james jamshid jared jarosław jarrod jarvis jason jasur javad javier jeff jeffery jeffrey jens jeremy "
    "jerome jerry jianguo jianjun jim jimmy jinwoo jiro jiří joaquin joe joel joey john johnny jomar jon jonathan "
    "jone joonho joost jordi jorg jorge jose josef joseph josh joshua josé joão juan julian julio julius junichi "
    "justin jérôme jürgen kairat kamran kanat kareem karim karl karthik kaveh kazuo keir keith kelvin kemal ken "
    "kenichi kenji kenneth kenta kevin khairul khaled khalid khoa khurshed kieran kiprono kirill kirk kittisak "
    "klaus kofi koichi konstantin kostas krzysztof kuanysh kubanychbek kurt kwabena kwaku kwame kwangsoo kwasi kyaw "
    "kyle lachlan lakhdar lalit lamar lamine larry lars laurence laurent lawrence lee leo leon leonard leonardo "
    "leonid leroy lester levan lewis liam lloyd lorenzo lotfi louie louis luca lucas luis lukas luke luther lászló "
    "magnus mahesh mahinda mahmoud maika majid maksat maksim malcolm mamadou mandla manish manoj manuel marat "
    "marcelo marco marcus marek mario mark martin marvin marwan masahiro masao mathieu matiu matt matteo matthew "
    "matthias maurice mauricio maxwell medet mehdi mehmet melvin michael micheal mick miguel mihai mikael mikaere "
    "mike mikhail mikko milton minh minho minjun minoru miroslav mitch mitt mizanur mohamed mohammad mohammed "
    "mohsen moncef morris moses moshe mounir mourad moussa muhammad mukesh munkhbat murat mustafa mustapha muzaffar "
    "mykola myrat nabil naoki narong nathan nathaniel nattapong naveen nazri ned neil neville newt nicholas nick "
    "nigel nikhil nikolai nikora nikos nitin nizar nnamdi nobuo noel norman noureddine nurbek nurlan nuwan obinna "
    "octavio olav oleg oleksandr oliver olivier olumide olusegun omar ondřej orhan osama osamu oscar osman otabek "
    "otgonbayar othman otis otto oumar ousmane owen oybek pablo paddy padraig paolo pascal patrick paul pavel pedro "
    "pete peter phil philip philippe pichai pierre piers pieter pietro piripi pradeep prakash pranab prasert quang "
    "quentin rachid rafael rahul rainer rajesh rajiv rakesh rakhat ralf ralph ramesh ramon ramón randall randy "
    "rangi rashid rasmus raul ravi rawiri ray raymond razak raúl reg reginald reinhard reuben reynaldo reza rhys "
    "ricardo richard rick ridha rithy rizal rob robbie robert roberto rocco rodel roderick rodney rodrigo rogelio "
    "roger rohit roland romeo romulo ron ronald rory rosli roy ruben rubén rudy rufus rupert ruslan russell rustam "
    "ryan ryota sachin saeed salah salman salvador salvatore sam samir sammy samnang samuel sandeep sanjar sanjay "
    "satoshi saul savenaca scott sean sebastian segun sekou selahattin semisi seojun sergei sergio serik serkan "
    "seth seungho seydou shafiq shahid shahrizal shane shaun shavkat sherzod shigeru shinichi shlomo shoaib shota "
    "siamak siaosi sibusiso sidney silas silvio simon sione sipho sitiveni siyabonga sjoerd slamet slobodan sofiane "
    "sombat somchai somphone somsak souleymane stanislav stanley stefan stephen steve steven stewart stu stuart "
    "suhrob sungmin sunil surachai suresh susumu suthep sutrisno sven syed sylvester sébastien søren tadashi "
    "tadesse taher takashi takeshi talant tamati tane taniela taras tarek tariq tarun ted teguh temirlan terence "
    "terrence terry tesfaye tetsuya tevita thabo thanakorn themba theodore thiago thierry thomas thura tigran tim "
    "timothy timur tipene tobias todd tolegen tom tomasi tomasz tommy tony torbjørn toshio trevor trung tuan tunde "
    "tyler ulrich ulugbek umar uri usman vadim vannak vasily veasna vernon vicente victor vijay vikram viktor "
    "viliami vince vincent vinod virgil vivek vladimir vladislav volodymyr vusi wael wahyu waisale walid wallace "
    "wally walter waqar warren wayne weidong wichai wilfred will william willie winston wirat wiremu wojciech "
    "wolfgang wouter xavier xiaodong yaakov yair yakubu yannis yaroslav yasser yassine yasuhiro yehuda yerlan "
    "yevgeny yitzhak yoichi yongqiang yoshihiro yossi youngho youngsoo yousef youssef yudi yuichi yukio yuri yusuf "
    "yves zachary zafar zainal zakaria zaw zbigniew zhanibek zhigang zhiqiang zhomart ziad zoltán zubair zulkifli "
    "álvaro étienne".split()
)
# Countries and capitals that speak for a government, and are never "he" or "she", nor anybody's surname.
PLACES = frozenset(
    "abuja accra afghanistan albania algeria algiers amman amsterdam andorra angola ankara antananarivo arabia "
    "argentina armenia ashgabat asmara astana asuncion asunción athens australia austria azerbaijan baghdad bahamas "
    "bahrain baku bamako bangkok bangladesh bangui banjul barbados basseterre beijing beirut belarus belgium belgrade "
    "belize belmopan benin berlin bern bhutan bishkek bissau bogota bogotá bolivia bosnia botswana brasilia brasília "
    "bratislava brazil brazzaville bridgetown britain brunei brussels bucharest budapest bulgaria burkina burundi "
    "cairo cambodia cameroon canada canberra caracas chile china chisinau colombia colombo comoros conakry copenhagen "
    "croatia cuba cyprus dakar damascus delhi denmark dhaka djibouti dodoma doha dublin dushanbe ecuador egypt "
    "emirates england eritrea estonia eswatini ethiopia europe faso fiji finland france freetown funafuti gabon "
    "gaborone gambia geneva germany ghana gitega greece grenada guatemala guinea haiti hanoi harare havana helsinki "
    "honduras honiara hungary iceland india indonesia iran iraq ireland islamabad israel italy jakarta jamaica japan "
    "jerusalem juba kabul kampala kathmandu kazakhstan kenya khartoum kiev kigali kingdom kingstown kinshasa kiribati "
    "kong korea kosovo kremlin kuwait kyiv kyrgyzstan lanka laos latvia lebanon leone lesotho liberia libreville "
    "libya liechtenstein lilongwe lima lisbon lithuania ljubljana london luanda lusaka luxembourg madagascar madrid "
    "majuro malabo malawi malaysia maldives malta managua manama manila maputo maseru mauritania mauritius mbabane "
    "mexico micronesia minsk mogadishu moldova monaco mongolia monrovia montenegro montevideo morocco moroni moscow "
    "mozambique muscat myanmar nairobi namibia nassau nauru naypyidaw nepal netherlands ngerulmud niamey nicaragua "
    "nicosia niger nigeria norway nouakchott oman oslo ottawa ouagadougou pakistan palau palestine palikir panama "
    "paraguay paramaribo paris peru philippines podgorica poland portugal prague pretoria pristina pyongyang qatar "
    "quito rabat ramallah reykjavik reykjavík riga riyadh romania rome russia rwanda samoa sanaa sarajevo saudi "
    "scotland senegal seoul serbia singapore skopje slovakia slovenia somalia spain states stockholm sudan suriname "
    "suva sweden switzerland syria taipei taiwan tajikistan tallinn tanzania tashkent tbilisi tegucigalpa tehran "
    "thailand thimphu timor tirana togo tokyo tonga tripoli tunis tunisia turkey turkmenistan tuvalu uganda uk "
    "ukraine ulaanbaatar uruguay us usa uzbekistan vaduz valletta vanuatu venezuela vienna vientiane vietnam vilnius "
    "wales warsaw washington windhoek xinjiang yamoussoukro yaounde yaoundé yaren yemen yerevan zagreb zambia zealand "
    "zimbabwe".split()
)
_OF_PLACES = frozenset("north south east west new sri united hong republic".split())
_HOLIDAYS = frozenset(
    "anzac armistice australia bastille boxing canada christmas columbus constitution earth election father father's "
    "flag founders freedom groundhog human inauguration independence indigenous international judgment judgement labor "
    "labour liberation martyrs may memorial mother mother's national new patrick's president's presidents remembrance "
    "republic republic's thanksgiving unity valentine's veterans victory women women's workers year year's".split()
)
_IN_MONTH = re.compile(r"\b(?:in|on|since|by|until|from|last|next|of|this|early|late|mid)\s+$", re.IGNORECASE)
_HIS_TITLE = re.compile(r"\b(?:Mr|Sir|Lord|Messrs)\.?\s+$")
_HER_TITLE = re.compile(r"\b(?:Mrs|Ms|Miss|Dame|Lady|Baroness)\.?\s+$")
_DOTTED_TITLE = re.compile(rf"(?i:{'|'.join(sorted(DOTTED))}) ?\.")
_ANY_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Sir|Lord|Lady|Dame|Sen|Rep|Gov|Gen|Prof)\.?\s+$")
# In the name of a body, hardly ever in a person's.
BODY_WORDS = frozenset(
    "post times journal daily news party university college council committee association agency department ministry "
    "court office bank group company corporation inc ltd plc union federation institute foundation house street "
    "united city county state states board commission international network press tribune herald star trust hospital "
    "school church police service services airport campaign center centre airlines division bureau chamber parliament "
    "museum library senate minority majority secretary speaker lawyers society forum alliance coalition "
    "administration government academy action fund pac project front bloc league authority watch holdings embassy "
    "consulate tribunal syndicate consortium orchestra guild".split()
)
# Initials ("J.K."), or a word with a capital; a plural possessive stays inside a name ("Farmers' Union").
_WORD = (
    r"(?:(?!U\.[SKN]\.)(?:[^\W\d_a-zß-öø-ÿ]\.)+(?!\w)"
    r"|[^\W\d_a-zß-öø-ÿ](?:[\w’'.&-]*[\w](?:(?<=s)['’](?=[ ][^\W\d_a-zß-öø-ÿ]))?)?)"
)
_LINK = (
    r"(?:(?:of the|of|for the|for|de la|de los|de|van der|van den|van de|van|von der|von|bin|ibn|al|el|da|dos|di|du|del"
    r"|della|ten|ter)[ ]|(?:al|el|ul|ad|as|ash|ar|an)-)"
)
_PARTS = re.compile(r"[^ \u00a0]+")
_MENTION = re.compile(rf"(?<!\w)(?:{_WORD})(?:(?:[ \u00a0]|-)(?:{_LINK})?(?:{_WORD}))*")
# "(R-Ohio)", "D-N.Y."
_PARTY_STATE = re.compile(r"[RDI]-[A-Z][\w.]*(?: [A-Z][\w.]*)?")
_LONGEST_IN_CAPITALS = 4
_LONGEST_RUN = 60  # words with capitals that are looked at as one name
_LONGEST_OF_PERSON = 10  # words, titles included
POSSESSIVE_END = re.compile(r"['’]s?$")
_OFFICE = re.compile(r" Office\b")
_OFFICE_OWNER = re.compile(r"(?:Minister|President|Governor|Mayor|Chancellor|Premier|Attorney|General|Speaker)['’]s$")


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of a name: the words that make up the name, and where they stand."""

    name: str
    span: Span


@functools.lru_cache(maxsize=4096)  # an article asks for the same few names thousands of times
def name_words(name: str) -> tuple[str, ...]:
    """Give the words by which a name is known: lower case, without titles, articles or possessive."""
    found = re.findall(r"\w+", re.sub(r"['’]s\b", "", name.lower()))
    return tuple(word for word in found if word not in TITLES | QUALIFIERS | ARTICLES) or tuple(found)


def tidy_name(words: str) -> str:
    """Drop what the guidelines drop from a source's words: titles, articles, a trailing possessive, edges."""
    name = POSSESSIVE_END.sub("", " ".join(words.split()).strip(" ,;:.-–—\"“”'‘’()")) or words
    parts = name.split(" ")
    if len(parts) > 1 and _bare(parts[0]) in ARTICLES:
        parts.pop(0)
    return " ".join(parts[_titles(parts) :])


def folded(words: str) -> str:
    """Give words in lower case, to compare them with pronouns; "US" and "WHO" stay, they are none."""
    return words if words in _ACRONYMS else words.lower()


def is_place(words: Sequence[str]) -> bool:
    """Whether the words of a name (see `name_words`) are those of a country or a capital."""
    return PLACES.issuperset(words if len(words) < 2 or words[0] not in _OF_PLACES else words[1:])


def gender(name: str) -> str | None:
    """Tell "f" or "m" by the first name, or None where that says nothing."""
    first = name.lower().split(" ")[0]
    return "f" if first in FEMALE else "m" if first in MALE else None


def titled(text: str, at: int) -> str | None:
    """Tell "f" or "m" by the title before a name that begins at a code point ("Mrs", "Mr"), or None."""
    before = text[max(0, at - 12) : at]
    return "f" if _HER_TITLE.search(before) else "m" if _HIS_TITLE.search(before) else None


def mentions(text: str) -> list[Mention]:
    """Find the names in a text by their capitals, in order, titles left out.

    A word that is capitalised only because its sentence begins is dropped where it is a function word or
    stands in lower case elsewhere in the text. In a headline every word has a capital: there only names count
    that the rest of the text has too.
    """
    headlines = [Span(*m.span()) for m in re.finditer(r"[^\r\n]+", text) if _is_headline(m[0])]
    found = _named(text)
    plain = [m for m in found if not _touches(m.span, headlines)]
    if not headlines or not plain:
        return found
    known = sorted({m.name for m in plain}, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)")
    again = [Mention(match[0], Span(*match.span())) for line in headlines for match in pattern.finditer(text, *line)]
    return sorted([*plain, *again], key=lambda mention: mention.span)


def _named(text: str) -> list[Mention]:
    lower = set(re.findall(r"(?<![\w])[a-zß-öø-ÿ][\w’'-]*", text))
    found: list[Mention] = []
    for match in _MENTION.finditer(text):
        words = [m.span() for m in _PARTS.finditer(text, *match.span())]
        # A sentence in capitals, or a piece of one.
        if match[0].isupper() and (len(words) > _LONGEST_IN_CAPITALS or _shouted(match[0])):
            continue
        for part in _at_titles(text, words):
            span = _trim(text, part, lower)
            if span is None:
                continue
            # "Securities and Exchange Commission" is one body, "Ann Lee and Tom Ray" are two people.
            last = found[-1] if found else None
            joins = last is not None and text[last.span.end : span.start] == " and " and " " not in last.name
            if joins and last is not None and _bare(text[span.start : span.end].split()[-1]) in BODY_WORDS:
                found.pop()
                span = Span(last.span.start, span.end)
            found.append(Mention(" ".join(text[span.start : span.end].split()), span))
    return found


def _shouted(words: str) -> bool:
    """Whether words in capitals are a piece of a sentence: "THEY LIED" is no name."""
    plain = [_bare(word) for word in words.split() if word not in _ACRONYMS]
    return len(words.split()) > 1 and any(word in (PRONOUNS | _STARTERS) - ARTICLES for word in plain)


def _is_headline(line: str) -> bool:
    long = [word for word in re.findall(r"[^\W\d_][\w’'-]*", line) if len(word) > 3]
    small = {word for word in long if word[0].islower()}
    # Any other small word makes it a sentence full of names: "On Friday Minister Ann Lowe met her counterpart Tom Ray".
    return 4 <= len(long) <= 20 and len(small) <= 0.2 * len(long) and small <= _STARTERS


def _touches(span: Span, lines: Sequence[Span]) -> bool:
    return any(line.start <= span.start < line.end for line in lines)


def _titles(parts: list[str]) -> int:
    """Count the words before a name that are titles; the last word is always the name."""
    count = 0
    for i, part in enumerate(parts[:-1]):
        if _OFFICE_OWNER.search(part) and parts[i + 1] == "Office":
            return 0
        if _is_title(part, parts[i + 1]):
            count = i + 1
        elif _bare(part) not in QUALIFIERS:
            break
        elif i and count == i:  # "Secretary General", "Chief Justice"
            count = i + 1
    return count


def _is_title(word: str, after: str) -> bool:
    """Whether a word is a title before a name: "Del. Lee", but "Lana Del Rey", "the Premier League", "Ann King III"."""
    bare = _bare(word)
    known = (bare in TITLES and word != "Del") or (bare in DOTTED and word.endswith("."))
    return known and after[:1].isupper() and _bare(after) not in BODY_WORDS and after not in {"II", "III", "IV", "Jr."}


def _office(parts: list[str]) -> int:
    """Count the words before a name that are an office: "Secretary of State | Ann Lee"."""
    person = next((i for i, part in enumerate(parts) if i > 1 and gender(part) is not None), 0)
    named = any(_bare(title) in TITLES and of == "of" for title, of in itertools.pairwise(parts[:person]))
    return person if named else 0


def _at_titles(text: str, words: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Cut capitalised words at a title or after a possessive: "Homeland Security Secretary | Jane Doe"."""
    part: list[tuple[int, int]] = []
    for i, word in enumerate(words):
        title = i + 1 < len(words) and _is_title(text[slice(*word)], text[slice(*words[i + 1])])
        if _OFFICE_OWNER.search(text[slice(*word)]) and _OFFICE.match(text, word[1]):
            part.append(word)  # "the Prime Minister's Office"
        elif part and title:
            if any(_bare(text[slice(*w)]) not in QUALIFIERS | ARTICLES for w in part):
                yield part
            part = [word]
        elif text[slice(*word)].endswith(("'s", "’s")):
            yield [*part, word]
            part = []
        elif text[slice(*word)] == "of" and _person(text, part):  # "Ann Lee of Arden Motors"
            yield part
            part = []
        elif part or not text[word[0]].islower():  # not the "of" that a possessive leaves behind
            part.append(word)
    if part:
        yield part


def _person(text: str, part: list[tuple[int, int]]) -> bool:
    if len(part) > _LONGEST_OF_PERSON:
        return False
    words = [_bare(text[slice(*word)]) for word in part]
    named = words[_titles([text[slice(*word)] for word in part]) :]
    if not part or BODY_WORDS & set(words):
        return False
    return 1 < len(named) < 4 or (len(named) == 1 and _after_title(text, part[0][0]))


def _after_title(text: str, at: int) -> bool:
    """Whether a title ends right before a code point: "Mr | King"."""
    return _ANY_TITLE.search(text[max(0, at - 12) : at]) is not None


def _trim(text: str, words: list[tuple[int, int]], lower: set[str]) -> Span | None:
    if len(words) > _LONGEST_RUN:  # text without end must not make the search quadratic
        return None
    words = words[_titles([text[slice(*word)] for word in words]) :]
    words = words[_office([text[slice(*word)] for word in words]) :]
    while words:
        word = _bare(text[slice(*words[0])])
        sentence_start = _starts_sentence(text, words[0][0])
        function = word in _VERBS or (word in _STARTERS and (sentence_start or word in ARTICLES))
        if word in _PARTISANS and _first_name(text, words[1:]):  # "Republican Ann Lee"
            words = words[1:]
            break
        # "Human Rights Watch" may begin a sentence; "Critics Ann Lee and Tom Ray" are no name.
        body = len(words) > 2 and gender(text[slice(*words[1])]) is None and text[words[1][0]].isupper()
        common = word in lower and not body and not _first_name(text, words)
        plain = sentence_start and (common or _role_first(text, words))
        first = _APOSTROPHE.split(word)[0]
        pronoun = (word in PRONOUNS or first in PRONOUNS) and text[slice(*words[0])].rstrip(".,;:") not in _ACRONYMS
        pronoun = pronoun or word in _CONTRACTIONS
        month = word in _DAYS and not _named_for_a_month(text, words)
        if not (month or pronoun or function or plain):
            break
        words = words[1:]
        while words and text[words[0][0]].islower():
            words = words[1:]
        words = words[_titles([text[slice(*word)] for word in words]) :]
    while words and (_dated(text, words) or (text[words[-1][0]].islower() and "-" not in text[slice(*words[-1])])):
        words = words[:-1]
    if not words or _PARTY_STATE.fullmatch(text[words[0][0] : words[-1][1]]) or _holiday(text, words):
        return None
    title = all(_bare(text[slice(*word)]) in TITLES | QUALIFIERS for word in words)
    title = title and _bare(text[slice(*words[-1])]) in TITLES
    title = title or (len(words) == 1 and _DOTTED_TITLE.match(text, words[0][0]) is not None)
    if title and not _after_title(text, words[0][0]):  # but "Mr King" is a name
        return None
    start, end = words[0][0], words[-1][1]
    possessive = POSSESSIVE_END.search(text[start:end])
    if possessive is not None:
        end = start + possessive.start()
    return Span(start, end) if end - start > 1 else None


def _first_name(text: str, words: Sequence[tuple[int, int]]) -> bool:
    """Whether words are a first name and a surname, though the text has the first in lower case too: "Bill Lee"."""
    return len(words) == 2 and gender(text[slice(*words[0])]) is not None and text[words[1][0]].isupper()


def _role_first(text: str, words: Sequence[tuple[int, int]]) -> bool:
    """Whether a word stands before a first name and a surname without being a first name: "Broadcaster Ann Lee"."""
    some = [text[slice(*word)] for word in words[:3]]
    if _after_title(text, words[0][0]):  # "Gov. Earl Ann Lee": no sentence begins here
        return False
    return len(some) > 2 and gender(some[0]) is None and gender(some[1]) is not None and some[1][0].isupper()


def _dated(text: str, words: Sequence[tuple[int, int]]) -> bool:
    """Whether words end with a day or month; but "Theresa May" does not."""
    last = _bare(text[slice(*words[-1])])
    if last == "sun" and len(words) > 1:  # a newspaper's name
        return False
    return last in _DAYS and not (len(words) > 1 and gender(text[slice(*words[-2])]) is not None)


def _named_for_a_month(text: str, words: Sequence[tuple[int, int]]) -> bool:
    """Whether a month is a first name: "June Brown said", but "in June Ann Lee said"."""
    named = (
        _bare(text[slice(*words[0])]) in {"jan", "april", "june"} and len(words) == 2 and text[words[1][0]].isupper()
    )
    return named and not _dated(text, words) and not _IN_MONTH.search(text, max(0, words[0][0] - 8), words[0][0])


def _holiday(text: str, words: Sequence[tuple[int, int]]) -> bool:
    """Whether words are a day of the calendar: "Labor Day", but not "Doris Day"."""
    some = [_bare(text[slice(*word)]) for word in words[-2:]]
    if some[-1] not in {"day", "eve"}:
        return False
    # "New Year's | Eve"; "Day" alone may be Doris.
    before = text[max(0, words[0][0] - 3) : words[0][0]]
    return some[0] in _HOLIDAYS if len(some) > 1 else before in {"'s ", "’s "}


def _starts_sentence(text: str, at: int) -> bool:
    before = text[max(0, at - 8) : at].rstrip(" \t\"“‘'(«")
    return not before or before[-1] in ".!?:\n\r…”" or text[at - 1] in "“«"


def _bare(word: str) -> str:
    return word.removesuffix("'s").removesuffix("’s").strip(".,;:'’\"").lower()
