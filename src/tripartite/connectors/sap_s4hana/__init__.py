"""SAP S/4HANA: orders, receipts and suppliers in; supplier invoices posted and, where no answer came, asked after."""
