"""The supplier master, as rules over values: who is one party, whose word counts, what is wrong, who may be paid where.

parties(stated, ...)          which records of several systems are one supplier, and its id (identity.py)
merged(members, ...)          one supplier out of them, field group by field group, and where they differ (ownership.py)
checked(supplier, ...)        what is wrong with it: tax number, accounts, required fields, status (checks.py)
likeness(one, other)          what makes two suppliers look like one; never a reason to merge them (likeness.py)
observed, confirmed, refused  an account is pending until two people confirmed it (banking.py)
eligibility(findings, ...)    may it be paid, and why not (eligibility.py)
"""
